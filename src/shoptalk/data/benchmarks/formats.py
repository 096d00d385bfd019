"""The formats of benchmark files, and their detection by the keys of a row."""

from types import ModuleType

from shoptalk.data.benchmarks import completions, histories, instructions, messages, questions
from shoptalk.errors import SourceError
from shoptalk.files import JsonObject

#: By name, in the order in which they are tried. A new format is one module and one line.
FORMATS: dict[str, ModuleType] = {
    "questions with options": questions,
    "conversations": messages,
    "prompts and completions": completions,
    "instruction rows": instructions,
    "histories with the next item": histories,
}


def format_of(row: JsonObject, where: str) -> str:
    """The name of a row's format.

    Raises
    ------
    SourceError
        When no format has these keys.
    """
    for name, module in FORMATS.items():
        if module.matches(row):
            return name
    keys = ", ".join(repr(key) for key in list(row)[:8]) or "no keys"
    raise SourceError(
        f"the row has none of the formats that are known: it has {keys}"[:300],
        where=where,
        hint="formats: " + "; ".join(f"{name}: {module.EXAMPLE}" for name, module in FORMATS.items()),
    )
