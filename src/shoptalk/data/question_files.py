r"""Files of questions from other systems: JSON lines with options, or instruction rows, plain or gzip.

Candidates: ``{"history": ["Soap", "Lotion"], "options": ["Razor", "Comb"], "answer": 0}``. The answer is the index of
an option, from 0, or its text; ``"user"`` and ``"split"`` (``"train"`` or anything else) are optional.

Alpaca: ``{"instruction": .., "input": .., "output": ..}``, one per line or all in one JSON array, as such files are
published. Where a prompt lists options as ``A) ..``, ``B) ..`` and the output is one of them, the row is a question.
``"user"`` and ``"split"`` are optional; an output that lists item tokens (``<|item_B01|>``, system D) is split into
items.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoptalk.errors import SourceError
from shoptalk.jsonrows import read_objects
from shoptalk.schema import ITEM_OPENS, NO_ITEM, TOKEN_CLOSES

CANDIDATES = '{"history": ["Soap"], "options": ["Razor", "Comb"], "answer": 0}'
ALPACA = '{"instruction": "...", "input": "...", "output": "..."}'
#: An option in a prompt: a letter with a bracket, dot or colon, then its text up to the next letter or line.
_OPTION = re.compile(
    r"(?:^|(?<=\s)|(?<=[(\[]))([A-Z])[).:]\s*(.+?)(?=\s*(?:[(\[]?[A-Z][).:]\s|[\r\n]|$))", re.MULTILINE
)
_TOKEN = re.compile(f"{re.escape(ITEM_OPENS)}(.+?){re.escape(TOKEN_CLOSES)}")


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its options.

    ``answer`` is the index of the right option, ``user`` is empty where the file does not name one, and
    ``for_training`` is None where the file does not say whether the question is for training.
    """

    history: tuple[str, ...]
    options: tuple[str, ...]
    answer: int
    user: str = ""
    for_training: bool | None = None


@dataclass(frozen=True, slots=True)
class Instruction:
    """A prompt (instruction and input) with its answer; ``user`` and ``for_training`` are as in `Question`."""

    prompt: str
    answer: str
    user: str = ""
    for_training: bool | None = None

    @property
    def items(self) -> tuple[str, ...]:
        """The distinct items that the answer lists, without the token that fills up a list."""
        return tuple(dict.fromkeys(item for item in _TOKEN.findall(self.answer) if item != NO_ITEM))


def read_candidates(path: Path) -> list[Question]:
    """Read a file of questions.

    Raises
    ------
    SourceError
        When the file cannot be read, or a line is not a question; with file and line.
    """
    questions = [_question(row, where) for _, where, row in read_objects(path, SourceError, CANDIDATES)]
    if not questions:
        raise SourceError("the file has no questions", where=str(path), hint=f"write lines like {CANDIDATES}")
    return questions


def read_alpaca(path: Path) -> list[Instruction]:
    """Read a file of instruction rows.

    Raises
    ------
    SourceError
        When the file cannot be read, or a row is not an instruction; with file and line or row.
    """
    instructions = [_instruction(row, where) for _, where, row in read_objects(path, SourceError, ALPACA, arrays=True)]
    if not instructions:
        raise SourceError("the file has no instructions", where=str(path), hint=f"write rows like {ALPACA}")
    return instructions


def as_question(row: Instruction) -> Question | None:
    """The question in a row whose prompt lists options and whose answer is one of them; else None.

    The history is one text: the prompt before the first option.
    """
    matches = list(_OPTION.finditer(row.prompt))
    options = [(match[1], " ".join(match[2].split()).rstrip(" ,;]")) for match in matches]
    if len(options) < 2 or len({letter for letter, _ in options}) != len(options):
        return None
    answer_text = " ".join(row.answer.split())
    answer_letter = re.match(r"^[(\[]?([A-Z])(?:[).:\]]|$)", answer_text)
    for index, (letter, text) in enumerate(options):
        if answer_text.casefold() == text.casefold() or (answer_letter is not None and answer_letter[1] == letter):
            return Question((row.prompt[: matches[0].start()],), tuple(text for _, text in options), index)
    return None


def _question(row: dict[str, Any], where: str) -> Question:
    """Check a row of the form of `CANDIDATES`; ``where`` is its file and line."""
    history, options = (_texts(row, key, where) for key in ("history", "options"))
    answer = row.get("answer")
    if isinstance(answer, str) and answer in options:
        answer = options.index(answer)
    if isinstance(answer, bool) or not isinstance(answer, int) or not 0 <= answer < len(options):
        raise SourceError(
            '"answer" is neither the index of an option, from 0, nor the text of an option',
            where=where,
            hint=f"write rows like {CANDIDATES}",
        )
    if len(options) < 2:
        raise SourceError("a question needs two options or more", where=where, hint=f"write rows like {CANDIDATES}")
    return Question(history, options, answer, *_user_and_split(row, where))


def _user_and_split(row: dict[str, Any], where: str) -> tuple[str, bool | None]:
    """The user, empty where none is named, and whether the row is for training."""
    user = row.get("user", "")
    if isinstance(user, bool) or not isinstance(user, (str, int)):
        raise SourceError('"user" must be a text or a whole number', where=where, hint='write "user": "u1"')
    return str(user), None if "split" not in row else row["split"] == "train"


def _texts(row: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    """The list of texts under a key."""
    value = row.get(key)
    if not isinstance(value, list) or not all(isinstance(element, str) for element in value):
        raise SourceError(f'"{key}" must be a list of texts', where=where, hint=f"write rows like {CANDIDATES}")
    return tuple(value)


def _instruction(row: dict[str, Any], where: str) -> Instruction:
    """Check a row of the form of `ALPACA`; ``where`` is its file and line."""
    parts = [row.get(key, "") for key in ("instruction", "input", "output")]
    if "output" not in row or not all(isinstance(part, str) for part in parts):
        raise SourceError(
            '"instruction", "input" and "output" must be texts', where=where, hint=f"write rows like {ALPACA}"
        )
    return Instruction("\n".join(part for part in parts[:2] if part), parts[2], *_user_and_split(row, where))
