"""Reading of untrusted JSON objects: lines or one array, plain or gzip; every error names file and line."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Never

from shoptalk.errors import ShoptalkError
from shoptalk.files import JsonObject

#: First bytes of a gzip file, and the byte order mark of UTF-8.
_GZIP, _BYTE_ORDER_MARK = b"\x1f\x8b", b"\xef\xbb\xbf"


def read_objects(
    path: Path, error: type[ShoptalkError], example: str, *, arrays: bool = False
) -> Iterator[tuple[int, str, JsonObject]]:
    """The objects of a file of JSON lines, with their line numbers from 1 and their locations (``file:line``).

    Empty lines are skipped, a byte order mark is allowed. With ``arrays`` the file may also be one JSON array; then the
    numbers are those of its members.

    Raises
    ------
    ShoptalkError
        Of the type ``error``, with ``example`` in its hint: when the file is missing, a folder or cut off; when a line
        is not UTF-8, not a JSON object, nested too deeply or holds NaN.
    """
    number, has_object = 0, False
    try:
        with path.open("rb") as file:
            packed = file.peek(2)[:2] == _GZIP
            lines: Any = gzip.GzipFile(fileobj=file) if packed else file
            for number, line in enumerate(lines, 1):
                text = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
                if arrays and not has_object and text.lstrip().startswith(b"["):
                    yield from _members(text + lines.read(), path, error, example)
                    return
                if text.strip():
                    has_object = True
                    where = f"{path}:{number}"
                    yield number, where, _object(_parse(text, where, error, example), where, error, example)
    except (EOFError, zlib.error, gzip.BadGzipFile) as damage:
        raise error(
            "the gzip file is damaged or cut off", where=f"{path}:{number + 1}", hint="copy or write it again"
        ) from damage
    except OSError as damage:
        raise error(
            f"the file cannot be read: {(damage.strerror or str(damage)).lower()}",
            where=str(path),
            hint="give a file of JSON lines",
        ) from damage


def kind_of(value: Any) -> str:
    """The type of a JSON value in words, for messages."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _members(
    text: bytes, path: Path, error: type[ShoptalkError], example: str
) -> Iterator[tuple[int, str, JsonObject]]:
    """The members of a JSON array, with their numbers from 1 and their locations."""
    for number, row in enumerate(_parse(text, str(path), error, example), 1):
        where = f"{path}, member {number}"
        yield number, where, _object(row, where, error, example)


def _object(content: Any, where: str, error: type[ShoptalkError], example: str) -> JsonObject:
    """The content, which must be an object."""
    if not isinstance(content, dict):
        raise error(f"expected a JSON object, not {kind_of(content)}", where=where, hint=f"write lines like {example}")
    return content


def _parse(line: bytes, where: str, error: type[ShoptalkError], example: str) -> Any:
    """The content of a JSON text."""
    try:
        return json.loads(line.decode("utf-8"), parse_constant=_refuse)
    except UnicodeDecodeError as damage:
        raise error("the line is not UTF-8 text", where=where, hint="save the file as UTF-8") from damage
    except json.JSONDecodeError as damage:
        raise error(
            f"not valid JSON: {damage.msg} at column {damage.colno}", where=where, hint=f"write lines like {example}"
        ) from damage
    except RecursionError as damage:
        raise error("the JSON is nested too deeply", where=where, hint="write flat lists") from damage
    except ValueError as damage:  # NaN and infinities, and whole numbers of thousands of digits
        raise error(f"not valid JSON: {damage}", where=where, hint=f"write lines like {example}") from damage


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is not a JSON value")
