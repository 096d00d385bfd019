"""Checks of what comes from outside, before it is stored."""

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from shoptalk.errors import RecordError

T = TypeVar("T")

#: Longest id or name, and longest other text, in characters.
LONGEST_ID, LONGEST_TEXT = 500, 100_000
#: 9999-12-31T23:59:59Z: later times cannot be written as a date.
LATEST_TIME = 253_402_300_799.0
#: Largest whole number of a column.
LARGEST_INTEGER = 2**31 - 1
#: Most parameters in one list of a statement; SQLite allows 32,766 in a statement.
_CHUNK = 500


def check_id(value: object, name: str) -> str:
    """The text of an id or name: not empty, at most `LONGEST_ID` characters."""
    text = check_text(value, name, longest=LONGEST_ID)
    if not text:
        raise RecordError(f"{name} is empty")
    return text


def check_text(value: object, name: str, *, longest: int = LONGEST_TEXT) -> str:
    """A text that both databases can store: PostgreSQL takes no NUL, and UTF-8 has no lone surrogates."""
    if not isinstance(value, str):
        raise RecordError(f"{name} is not a text")
    if len(value) > longest:
        raise RecordError(f"{name} has {len(value):,} characters; at most {longest:,} are stored")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise RecordError(f"{name} contains a character that cannot be stored")
    return value


def check_texts(value: object, name: str) -> list[str]:
    """Several texts."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise RecordError(f"{name} is not a list of texts")
    return [check_text(text, name) for text in value]


def check_number(value: object, name: str, *, least: float = -math.inf) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RecordError(f"{name} is not a number")
    try:
        number = float(value)
    except OverflowError as error:
        raise RecordError(f"{name} is too large") from error
    if not math.isfinite(number) or number < least:
        raise RecordError(f"{name} is not a finite number" + (f" of at least {least:g}" if least > -math.inf else ""))
    return number


def check_time(value: object, name: str) -> float:
    """Seconds since 1970, up to the year 9999."""
    seconds = check_number(value, name, least=0)
    if seconds > LATEST_TIME:
        raise RecordError(f"{name} is after the year 9999", hint="times are seconds since 1970, not milliseconds")
    return seconds


def check_integer(value: object, name: str, *, least: int = 0) -> int:
    """A whole number that the database can store."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LARGEST_INTEGER:
        raise RecordError(f"{name} is not a whole number from {least} to {LARGEST_INTEGER:,}")
    return value


def check_json(value: Any, name: str, *, depth: int = 8) -> Any:
    """A JSON value of limited depth, with storable texts and finite numbers."""
    if depth == 0:
        raise RecordError(f"{name} is nested too deeply")
    if isinstance(value, dict):
        return {check_text(key, name): check_json(content, name, depth=depth - 1) for key, content in value.items()}
    if isinstance(value, (list, tuple)):
        return [check_json(content, name, depth=depth - 1) for content in value]
    if isinstance(value, str):
        return check_text(value, name)
    if value is None or isinstance(value, bool):
        return value
    check_number(value, name)
    return value


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in parts that fit into one statement."""
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def now() -> float:
    """The time in seconds since 1970."""
    return time.time()
