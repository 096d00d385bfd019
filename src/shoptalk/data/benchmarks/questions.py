"""Questions with options: ``{"history": ["Soap", "Lotion"], "options": ["Razor", "Comb"], "answer": 0}``.

The answer is the index of an option, from 0, or its text; ``"user"`` and ``"split"`` (``"train"`` or anything else) are
optional.
"""

from typing import Any

from shoptalk.data.benchmarks.row import BenchmarkRow, user_and_part
from shoptalk.errors import SourceError
from shoptalk.files import JsonObject

EXAMPLE = '{"history": ["Soap"], "options": ["Razor", "Comb"], "answer": 0}'


def matches(row: JsonObject) -> bool:
    """Whether a row has this format."""
    return "options" in row and "history" in row


def read(row: JsonObject, where: str) -> BenchmarkRow:
    """Read a row.

    Raises
    ------
    SourceError
        When the row is not a question; with its location.
    """
    history, options = (_texts(row, key, where) for key in ("history", "options"))
    answer: Any = row.get("answer")
    if isinstance(answer, str) and answer in options:
        answer = options.index(answer)
    if isinstance(answer, bool) or not isinstance(answer, int) or not 0 <= answer < len(options):
        raise SourceError(
            '"answer" is neither the index of an option, from 0, nor the text of an option',
            where=where,
            hint=f"write rows like {EXAMPLE}",
        )
    if len(options) < 2:
        raise SourceError("a question needs two options or more", where=where, hint=f"write rows like {EXAMPLE}")
    return BenchmarkRow(
        where,
        "",
        options[answer],
        history=history,
        options=options,
        right=answer,
        target=options[answer],
        **user_and_part(row, where),
    )


def _texts(row: JsonObject, key: str, where: str) -> tuple[str, ...]:
    """The list of texts under a key."""
    value = row.get(key)
    if not isinstance(value, list) or not all(isinstance(element, str) for element in value):
        raise SourceError(f'"{key}" must be a list of texts', where=where, hint=f"write rows like {EXAMPLE}")
    return tuple(value)
