"""Reading of untrusted JSON objects: lines or one array, plain or gzip; every error names file and line."""

import codecs
import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Never

from shoptalk.errors import ShoptalkError
from shoptalk.files import JsonObject

#: First bytes of a gzip file, and the byte order mark of UTF-8.
_GZIP, _BYTE_ORDER_MARK = b"\x1f\x8b", b"\xef\xbb\xbf"

#: Longest object, in bytes of a line or characters of a member of an array; memory does not exceed a few times this.
MAX_OBJECT = 1 << 24
#: Bytes of an array that are read at once.
_PIECE = 1 << 20
_WHITE_SPACE = " \t\n\r"


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
            for number, line in enumerate(iter(lambda: lines.readline(MAX_OBJECT + 1), b""), 1):
                if len(line) > MAX_OBJECT and not (arrays and not has_object and line.lstrip().startswith(b"[")):
                    raise _too_long(f"{path}:{number}", error)
                text = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
                if arrays and not has_object and text.lstrip().startswith(b"["):
                    yield from _members(text, lines, path, error, example)
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
    start: bytes, file: BinaryIO, path: Path, error: type[ShoptalkError], example: str
) -> Iterator[tuple[int, str, JsonObject]]:
    """The members of a JSON array, with their numbers from 1 and their locations; the file is read in pieces."""
    number = 1
    with _as_error(str(path), error, example):
        array = _Array(start, file)
    while True:
        where = f"{path}, member {number}"
        with _as_error(where, error, example):
            content = array.next_member(first=number == 1)
            if content is _Array.TOO_LONG:
                raise _too_long(where, error)
        if content is _Array.END:
            return
        yield number, where, _object(content, where, error, example)
        number += 1


class _Array:
    """The text of one JSON array, of which only the next members are held in memory."""

    END, TOO_LONG = object(), object()

    def __init__(self, start: bytes, file: BinaryIO) -> None:
        self._file = file
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._text = self._utf8.decode(start)
        self._position = self._text.index("[") + 1
        self._json = json.JSONDecoder(parse_constant=_refuse)

    def next_member(self, *, first: bool) -> Any:
        """The next member; ``END`` behind the last one, ``TOO_LONG`` for one above `MAX_OBJECT`."""
        character = self._next_character()
        if character == "]":
            self._position += 1
            if self._next_character():
                raise json.JSONDecodeError("text after the end of the array", self._text, self._position)
            return self.END
        if not first:
            if character != ",":
                raise json.JSONDecodeError("expected a comma or the end of the array", self._text, self._position)
            self._position += 1
            self._next_character()
        while True:
            try:
                content, self._position = self._json.raw_decode(self._text, self._position)
            except json.JSONDecodeError:
                if len(self._text) - self._position > MAX_OBJECT:
                    return self.TOO_LONG
                if not self._extend():
                    raise
            else:
                return content

    def _next_character(self) -> str:
        """The next character that is not white space; empty at the end of the file."""
        while True:
            while self._position < len(self._text) and self._text[self._position] in _WHITE_SPACE:
                self._position += 1
            if self._position < len(self._text):
                return self._text[self._position]
            if not self._extend():
                return ""

    def _extend(self) -> bool:
        """Drop what was used and read more; False at the end of the file."""
        piece = self._file.read(max(_PIECE, len(self._text) - self._position))
        self._text = self._text[self._position :] + self._utf8.decode(piece, final=not piece)
        self._position = 0
        return bool(piece)


def _too_long(where: str, error: type[ShoptalkError]) -> ShoptalkError:
    return error(
        f"an object has more than {MAX_OBJECT >> 20} million characters", where=where, hint="write one object per line"
    )


def _object(content: Any, where: str, error: type[ShoptalkError], example: str) -> JsonObject:
    """The content, which must be an object."""
    if not isinstance(content, dict):
        raise error(f"expected a JSON object, not {kind_of(content)}", where=where, hint=f"write lines like {example}")
    return content


def _parse(line: bytes, where: str, error: type[ShoptalkError], example: str) -> Any:
    """The content of a JSON text."""
    with _as_error(where, error, example):
        return json.loads(line.decode("utf-8"), parse_constant=_refuse)


@contextmanager
def _as_error(where: str, error: type[ShoptalkError], example: str) -> Iterator[None]:
    """Raise what is wrong with a JSON text as ``error``."""
    try:
        yield
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
