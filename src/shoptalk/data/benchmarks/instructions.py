"""Instruction rows, as in Alpaca and TALLRec: ``{"instruction": "..", "input": "..", "output": ".."}``.

``"instruction"`` or ``"input"`` may be missing; ``"user"`` and ``"split"`` are optional.
"""

from shoptalk.data.benchmarks.row import BenchmarkRow, user_and_part
from shoptalk.errors import SourceError
from shoptalk.files import JsonObject

EXAMPLE = '{"instruction": "...", "input": "...", "output": "..."}'


def matches(row: JsonObject) -> bool:
    """Whether a row has this format."""
    return "instruction" in row or ("input" in row and "output" in row)


def read(row: JsonObject, where: str) -> BenchmarkRow:
    """Read a row; the prompt is the instruction, and after it the input.

    Raises
    ------
    SourceError
        When the row is not an instruction; with its location.
    """
    parts = [row.get(key, "") for key in ("instruction", "input", "output")]
    if "output" not in row or not all(isinstance(part, str) for part in parts):
        raise SourceError(
            '"instruction", "input" and "output" must be texts', where=where, hint=f"write rows like {EXAMPLE}"
        )
    prompt = "\n".join(part for part in parts[:2] if part)
    return BenchmarkRow(where, prompt, parts[2], **user_and_part(row, where))
