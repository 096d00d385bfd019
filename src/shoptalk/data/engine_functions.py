"""Functions of DuckDB that Ibis has no name for, and expressions of JSON values made of them.

The bodies of the decorated functions are empty: Ibis calls the engine's functions of the given names.
"""

from datetime import datetime

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir


@ibis.udf.scalar.builtin(name="regexp_extract_all")
def extract_all(text: str, pattern: str) -> list[str]:
    """Every match of an RE2 pattern, in order."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="try_strptime")
def parsed_time(text: str, patterns: list[str]) -> datetime:
    """The time (UTC where no zone is written) by the first of constant patterns that matches, or null."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="epoch_us")
def epoch_microseconds(time: datetime) -> int:
    """Microseconds since 1970."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="chr")
def character(code: int) -> str:
    """The character of a Unicode code point."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="json_transform")
def _strings(text: dt.JSON, structure: str) -> list[str]:
    """A JSON list of texts as an array."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="json_transform")
def _nested_strings(text: dt.JSON, structure: str) -> list[list[str]]:
    """A JSON list of lists of texts as an array of arrays."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="json_extract_string")
def _string(text: dt.JSON, path: str) -> str:
    """The text at a path of a JSON value."""
    raise NotImplementedError


def json_list(value: ir.Value) -> ir.Value:
    """A JSON value as an array of text: a list of texts, a list of lists of texts (flattened), or one text."""
    text = value.cast("string")
    return ibis.cases(
        (text.startswith("[["), _nested_strings(value, '[["VARCHAR"]]').flatten()),
        (text.startswith("["), _strings(value, '["VARCHAR"]')),
        (text.startswith('"'), ibis.array([_string(value, "$")])),
    )


def json_text(value: ir.Value) -> ir.Value:
    """A JSON value as text; the elements of a list are joined by spaces."""
    return json_list(value).filter(lambda element: element.notnull()).join(" ")
