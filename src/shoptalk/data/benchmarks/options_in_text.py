r"""Options that a prompt lists: with letters, with numbers, or as a list after "from the following ...:"."""

import re
from collections.abc import Collection
from dataclasses import dataclass

#: An option with a letter: a letter with a bracket, dot or colon, then its text up to the next letter or line.
_LETTER = re.compile(
    r"(?:^|(?<=\s)|(?<=[(\[]))([A-Z])[).:]\s*(.+?)(?=\s*(?:[(\[]?[A-Z][).:]\s|[\r\n]|$))", re.MULTILINE
)
#: An option with a number: as above, but only at the start of a line, or after white space with a bracket around it.
_NUMBER = re.compile(
    r"(?:^[ \t]*[(\[]?|(?<=\s)[(\[]?)(\d{1,3})[).:\]]\s+(.+?)(?=\s*(?:(?:^|\s)[(\[]?\d{1,3}[).:\]]\s|[\r\n]|$))",
    re.MULTILINE,
)
#: What announces a list of options.
_CUE = re.compile(
    r"\b(?:following|options?|candidates?|choices?|choose|select|pick|set|which of)\b(?P<rest>[^:\n]{0,80}):[ \t]*",
    re.IGNORECASE,
)
#: What follows such a list within a line.
_END = re.compile(
    r"\.\s+(?=(?:Answer|The|Recommend|Recommendation|Please|Output|Only|Response|Return|Your|You|Note|Choose)\b)"
    r"|,\s+(?=(?:recommend|please|choose|select|pick)\b)|\.?\s*(?:\n|$)"
)
#: A word that announces numbered options, in the text before them.
_WORD = re.compile(r"\b(?:following|options?|candidates?|choices?|choose|select|pick|which of|these)\b", re.IGNORECASE)
_NEAR = 200  # characters
#: Longest prompt that is searched: the time of the patterns is quadratic in the longest run of white space.
MOST_PROMPT = 20_000
_STATED = re.compile(r"\b(\d{1,3})\b")
_QUOTED = re.compile(r'"([^"\n]+)"|“([^”\n]+)”')
_SEPARATORS = ("::", " | ", "; ", ", ")


@dataclass(frozen=True, slots=True)
class ListedOptions:
    """The options of a prompt, their span in it, and the index of the right one."""

    start: int
    end: int
    options: tuple[str, ...]
    right: int


def find_options(prompt: str, answer: str, titles: Collection[str] = ()) -> ListedOptions | None:
    """The options that a prompt lists, if the answer is one of them; else None.

    Parameters
    ----------
    titles
        Known titles: where a list is separated by commas, its pieces are joined to titles that contain a comma.
    """
    if len(prompt) > MOST_PROMPT:
        return None
    answer = " ".join(answer.split())
    return (
        _with_marks(list(_LETTER.finditer(prompt)), answer, r"[A-Z]")
        or _numbered(prompt, answer)
        or _after_cue(prompt, answer, titles)
    )


def announces_options(prompt: str) -> bool:
    """Whether a prompt seems to list options, or is too long to say."""
    if len(prompt) > MOST_PROMPT:
        return True
    return any(len(re.split(r"[,;\n]", prompt[cue.end() :], maxsplit=2)) > 2 for cue in _CUE.finditer(prompt))


def plain(text: str) -> str:
    """A title without quotes, final punctuation and differences in case and white space, for comparison."""
    return " ".join(text.split()).strip("\"'“”.,[]() ").casefold()


def _with_marks(matches: list[re.Match[str]], answer: str, mark: str) -> ListedOptions | None:
    """The options with the given marks, of which the answer is one, by its mark or its text."""
    options = [(match[1], " ".join(match[2].split()).rstrip(" ,;]")) for match in matches]
    if len(options) < 2 or len({label for label, _ in options}) != len(options):
        return None
    answer_mark = re.match(rf"^[(\[]?({mark})(?:[).:\]]|$)", answer)
    for index, (label, text) in enumerate(options):
        if answer.casefold() == text.casefold() or (answer_mark is not None and answer_mark[1] == label):
            return ListedOptions(matches[0].start(), matches[-1].end(), tuple(text for _, text in options), index)
    return None


def _numbered(prompt: str, answer: str) -> ListedOptions | None:
    """Numbered options: the last run of consecutive numbers from 0 or 1, behind a word that announces options."""
    run: list[re.Match[str]] = []
    for match in _NUMBER.finditer(prompt):
        number = int(match[1])
        if run and number == int(run[-1][1]) + 1:
            run.append(match)
        elif number <= 1:
            run = [match]
        else:
            run = []
    if len(run) < 2 or not _WORD.search(prompt, max(0, run[0].start() - _NEAR), run[0].start()):
        return None
    return _with_marks(run, answer, r"\d{1,3}")


def _after_cue(prompt: str, answer: str, titles: Collection[str]) -> ListedOptions | None:
    """Options in a list behind a word that announces them, the last such word first."""
    for cue in reversed(list(_CUE.finditer(prompt))):
        start = cue.end()
        opened = prompt[start : start + 1] == "["
        end = prompt.find("]", start) if opened else -1
        if end < 0:
            ending = _END.search(prompt, start)
            end = len(prompt) if ending is None else ending.start()
            if end == start:  # one option per line
                end = _end_of_lines(prompt, start)
        region = prompt[start + opened : end]
        stated = _STATED.search(cue["rest"])
        options = _split(region, answer, titles, int(stated[1]) if stated else None)
        wanted = plain(answer)
        matching = [index for index, option in enumerate(options) if plain(option) == wanted]
        if len(options) > 1 and matching:
            return ListedOptions(start, end, options, matching[0])
    return None


def _end_of_lines(prompt: str, start: int) -> int:
    """The end of the lines after a position, up to an empty line or one that ends with a colon."""
    end = start
    for line in prompt[start:].splitlines(keepends=True):
        text = line.strip()
        if end > start and prompt[start:end].strip() and (not text or text.endswith((":", "?"))):
            break
        end += len(line)
    return end


def _split(region: str, answer: str, titles: Collection[str], stated: int | None) -> tuple[str, ...]:
    """The options in a text; none where it is not certain where one ends and the next begins."""
    quoted = [match[1] or match[2] for match in _QUOTED.finditer(region)]
    if len(quoted) > 1:
        return tuple(quoted)
    rows = [line.strip().lstrip("-*•").strip() for line in region.splitlines() if line.strip()]
    if len(rows) > 1:
        return tuple(rows)
    for separator in _SEPARATORS:
        pieces = [piece.strip() for piece in region.split(separator) if piece.strip()]
        if len(pieces) < 2:
            continue
        if separator == ", ":
            pieces = _joined(pieces, titles)
            certain = stated is not None or not any(", " in title for title in (*titles, answer))
            if (stated is not None and len(pieces) != stated) or not certain:
                return ()
        return tuple(pieces)
    return ()


def _joined(pieces: list[str], titles: Collection[str]) -> list[str]:
    """Pieces between commas, those that are together a known title joined; the longest title first."""
    joined, index = [], 0
    while index < len(pieces):
        for length in range(min(4, len(pieces) - index), 0, -1):
            text = ", ".join(pieces[index : index + length])
            if length == 1 or text in titles:
                joined.append(text)
                index += length
                break
    return joined
