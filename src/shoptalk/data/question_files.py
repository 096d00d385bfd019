r"""Reading anybody's exams: JSON lines of questions with options, or instruction rows, plain or gzip.

Candidates: ``{"history": ["Soap", "Lotion"], "options": ["Razor", "Comb"], "answer": 0}``; the answer is a place from 0
or the text of an option; ``"user"`` and ``"split"`` (``"train"`` or anything else) are read where they stand.

Alpaca: ``{"instruction": .., "input": .., "output": ..}``, one a line, or all in one JSON array, as they are published.
Options are found where a prompt lists them as ``A) ..``, ``B) ..`` and the output is one of them. ``"user"`` and
``"split"`` are read here too; an output that lists item tokens (``<|item_B01|>``, system D) is taken apart.
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
#: An option in a prompt: a letter with a bracket or a dot, then its text up to the next letter or line.
_OPTION = re.compile(
    r"(?:^|(?<=\s)|(?<=[(\[]))([A-Z])[).:]\s*(.+?)(?=\s*(?:[(\[]?[A-Z][).:]\s|[\r\n]|$))", re.MULTILINE
)
_TOKEN = re.compile(f"{re.escape(ITEM_OPENS)}(.+?){re.escape(TOKEN_CLOSES)}")


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its options; ``answer`` is the place of the right one, ``user`` is empty where none is named."""

    history: tuple[str, ...]
    options: tuple[str, ...]
    answer: int
    user: str = ""
    learned: bool | None = None


@dataclass(frozen=True, slots=True)
class Instruction:
    """A prompt (instruction and input) with its answer; ``user`` and ``learned`` as in `Question`."""

    prompt: str
    answer: str
    user: str = ""
    learned: bool | None = None

    @property
    def items(self) -> tuple[str, ...]:
        """The different items that the answer lists, but for those that fill up the list."""
        return tuple(dict.fromkeys(item for item in _TOKEN.findall(self.answer) if item != NO_ITEM))


def read_candidates(path: Path) -> list[Question]:
    """Read and check a file of questions.

    Raises
    ------
    SourceError
        With file and line: when the file cannot be read, or a line is no question.
    """
    found = [_question(row, where) for _, where, row in read_objects(path, SourceError, CANDIDATES)]
    if not found:
        raise SourceError("the file holds no questions", where=str(path), hint=f"write lines like {CANDIDATES}")
    return found


def read_alpaca(path: Path) -> list[Instruction]:
    """Read and check a file of instruction rows.

    Raises
    ------
    SourceError
        With file and line (or row): when the file cannot be read, or a row is no instruction.
    """
    found = [_instruction(row, where) for _, where, row in read_objects(path, SourceError, ALPACA, arrays=True)]
    if not found:
        raise SourceError("the file holds no instructions", where=str(path), hint=f"write rows like {ALPACA}")
    return found


def as_question(row: Instruction) -> Question | None:
    """The question that a prompt asks, where it lists options and the answer is one of them; else None.

    The history is the prompt before the first option, as one text.
    """
    listed = list(_OPTION.finditer(row.prompt))
    options = [(match[1], " ".join(match[2].split()).rstrip(" ,;]")) for match in listed]
    if len(options) < 2 or len({letter for letter, _ in options}) != len(options):
        return None
    answer_text = " ".join(row.answer.split())
    letter = re.match(r"^[(\[]?([A-Z])(?:[).:\]]|$)", answer_text)
    for index, (name, text) in enumerate(options):
        if answer_text.casefold() == text.casefold() or (letter is not None and letter[1] == name):
            return Question((row.prompt[: listed[0].start()],), tuple(text for _, text in options), index)
    return None


def _question(row: dict[str, Any], where: str) -> Question:
    history, options = (_texts(row, key, where) for key in ("history", "options"))
    answer = row.get("answer")
    if isinstance(answer, str) and answer in options:
        answer = options.index(answer)
    if isinstance(answer, bool) or not isinstance(answer, int) or not 0 <= answer < len(options):
        raise SourceError(
            '"answer" is neither the place of an option, from 0, nor the text of one',
            where=where,
            hint=f"write rows like {CANDIDATES}",
        )
    if len(options) < 2:
        raise SourceError("a question needs two options or more", where=where, hint=f"write rows like {CANDIDATES}")
    return Question(history, options, answer, *_whose(row, where))


def _whose(row: dict[str, Any], where: str) -> tuple[str, bool | None]:
    """The user, empty where none is named, and whether the row may be learned from."""
    user = row.get("user", "")
    if isinstance(user, bool) or not isinstance(user, (str, int)):
        raise SourceError('"user" must be a text or a whole number', where=where, hint='write "user": "u1"')
    return str(user), None if "split" not in row else row["split"] == "train"


def _texts(row: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = row.get(key)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise SourceError(f'"{key}" must be a list of texts', where=where, hint=f"write rows like {CANDIDATES}")
    return tuple(value)


def _instruction(row: dict[str, Any], where: str) -> Instruction:
    parts = [row.get(key, "") for key in ("instruction", "input", "output")]
    if "output" not in row or not all(isinstance(part, str) for part in parts):
        raise SourceError(
            '"instruction", "input" and "output" must be texts', where=where, hint=f"write rows like {ALPACA}"
        )
    return Instruction("\n".join(part for part in parts[:2] if part), parts[2], *_whose(row, where))
