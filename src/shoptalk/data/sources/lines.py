"""Files of one JSON object, or one Python literal, per line; plain, gzip or zstd, told by content and not by name."""

import ast
import gzip
import io
import json
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import ibis.expr.types as ir
import pyarrow as pa

from shoptalk.data.engine import Compression, Engine
from shoptalk.data.engine_functions import character, extract_all
from shoptalk.data.engine_paths import printable
from shoptalk.data.sources import file_kinds, malformed
from shoptalk.errors import SourceError

_MAGIC: dict[Compression, bytes] = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_MARK = b"\xef\xbb\xbf"
_HEAD = 1 << 16

#: Pieces of a Python literal: a quoted text, or what stands between two.
_PIECES = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^'"]+"""
_CONSTANTS = (("True", "true"), ("False", "false"), ("None", "null"), ("nan", "null"), ("inf", "null"))


@dataclass(frozen=True)
class Peek:
    """What the first 64 KiB (``head``, decompressed) of a file tell."""

    path: Path
    compression: Compression
    head: bytes

    @property
    def first(self) -> str:
        """The first line that is not blank, as text without a byte order mark; odd bytes replaced."""
        lines = (line.strip() for line in self.head.removeprefix(_MARK).splitlines())
        return next((line for line in lines if line), b"").decode("utf-8", errors="replace")

    @property
    def marked(self) -> bool:
        """Whether it starts with a byte order mark of UTF-8."""
        return self.head.startswith(_MARK)

    @property
    def literal(self) -> bool:
        """Whether its first line is a Python literal and not JSON."""
        try:
            json.loads(self.first)
        except (ValueError, RecursionError):
            return self.first.startswith(("{'", '{u"', "{u'")) or _is_literal(self.first)
        return False


def peek(path: Path, *, parquet: bool = False) -> Peek:
    """Look at a file before the engine does.

    Parameters
    ----------
    parquet
        Whether a Parquet file is welcome.

    Raises
    ------
    SourceError
        For a missing, empty, or unreadable file, a folder, damaged compression, and what is no text by its bytes: wide
        characters, workbooks, archives, databases ... (see `file_kinds`).
    """
    where = printable(path)
    start = _start(path)
    compression: Compression = next((name for name, magic in _MAGIC.items() if start.startswith(magic)), "none")
    if compression == "none" and path.suffix in {".gz", ".zst"} and start:
        raise SourceError(f"is not compressed, though its name ends in {path.suffix}", where=where, hint="rename it")
    with opened(path, compression) as stream:
        head = stream.read(_HEAD)
    if not head.removeprefix(_MARK).strip():
        raise SourceError("the file is empty", where=where, hint="download or copy it again")
    if (kind := file_kinds.kind_of(head, path)) and not (parquet and compression == "none" and kind.name == "parquet"):
        raise SourceError(kind.message, where=where, hint=kind.hint)
    if head.startswith(_WIDE) or head.count(0) > len(head) // 4:
        raise SourceError(
            "is not UTF-8 text (it looks like UTF-16)",
            where=where,
            hint="convert it to UTF-8, for example with: iconv -f utf-16 -t utf-8 OLD > NEW",
        )
    if compression == "zstd":
        _verify(path)
    return Peek(path, compression, head)


def _start(path: Path) -> bytes:
    """The first bytes of a file that is one."""
    where = printable(path)
    try:
        if path.is_dir():
            raise SourceError("is a folder, not a file", where=where, hint="name the file inside it")
        if not path.exists():
            raise SourceError("there is no such file", where=where, hint="check the path in the recipe's [data]")
        if not path.is_file():  # it would be read more than once
            raise SourceError("is a pipe or a device, not a file", where=where, hint="write it to a file first")
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=where, hint="check its permissions") from error


@contextmanager
def opened(path: Path, compression: Compression) -> Iterator[BinaryIO]:
    """The decompressed bytes of a file; damage met while reading is a `SourceError`."""
    try:
        with path.open("rb") as raw:
            if compression == "gzip":
                yield cast(BinaryIO, gzip.GzipFile(fileobj=raw))
            elif compression == "zstd":
                yield io.BufferedReader(pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd"))
            else:
                yield raw
    except (EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise SourceError(f"cannot be read: {error.strerror}", where=printable(path)) from error
        raise SourceError(
            f"the compressed file is damaged or cut off: {error}",
            where=printable(path),
            hint="download or copy it again",
        ) from error


def _verify(path: Path) -> None:
    """Read a zstd file to its end: the engine takes one that is cut off for a shorter one."""
    with opened(path, "zstd") as stream:
        while stream.read(1 << 20):
            pass


def read_objects(
    file: Peek, columns: Mapping[str, str], shape: Callable[[ir.Table], ir.Table], engine: Engine
) -> tuple[ir.Table, int]:
    """Read objects, one per line, into a table that is kept.

    Parameters
    ----------
    columns
        Key of the object -> ``VARCHAR`` or ``JSON``; no other key is read.
    shape
        From a table of these columns to the table to keep, one row for each.

    Returns
    -------
    table, unreadable
        With ``position`` (the line's place among those that are not blank, from 0), and how many lines are not UTF-8
        and have no row. A line that is no object has a row of nulls.
    """
    if not (file.literal or file.marked):
        try:
            view = engine.read_json_lines(file.path, columns, file.compression)
            return engine.numbered(engine.cache(shape(view), source=file.path), "position"), 0
        except SourceError as error:
            if "recursion depth" not in error.message:  # one line nests too deep for the fast reader
                raise
    lines, unreadable = engine.read_lines(file.path, file.compression)
    if file.marked:
        lines = lines.mutate(line=lines.line.lstrip().replace("\ufeff", ""))
    if file.literal:
        lines = lines.mutate(line=literal_to_json(lines.line))
    kept = engine.cache(shape(engine.parse_json(lines, columns)), source=file.path)
    return engine.numbered(kept, "position"), unreadable


def find_lines(file: Peek, indices: Collection[int], reasons: Collection[str]) -> Iterator[malformed.Found]:
    """The lines at ``indices`` and, where it is among ``reasons``, the first that is not UTF-8 and has no row.

    Only errors come here, and reading stops at the last of them; so this goes line by line.
    """
    wanted, no_rows, index = set(indices), set(reasons), 0
    skip_undecodable = malformed.NOT_UTF8 in reasons
    with opened(file.path, file.compression) as stream:
        for number, raw in enumerate(stream, 1):
            line = (raw.removeprefix(_MARK) if number == 1 else raw).strip()
            if not line:
                continue
            if skip_undecodable and not _decodes(line):
                if malformed.NOT_UTF8 in no_rows:
                    no_rows.discard(malformed.NOT_UTF8)
                    yield malformed.Found(number, -1, malformed.NOT_UTF8, _decoded(line))
            else:
                if index in wanted:
                    wanted.discard(index)
                    yield malformed.Found(number, index, _syntax(line, literal=file.literal), _decoded(line))
                index += 1
            if not (wanted or no_rows):
                return


def _decodes(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decoded(line: bytes) -> str:
    return line[:400].decode("utf-8", errors="replace")


def _syntax(line: bytes, *, literal: bool) -> str:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return malformed.NOT_UTF8
    if literal:
        return "" if _is_literal(text) else "not a Python literal"
    try:
        return "" if isinstance(json.loads(text), dict) else "not a JSON object"
    except json.JSONDecodeError as error:
        return f"not valid JSON: {error.msg} (column {error.colno})"
    except (ValueError, RecursionError):
        return "not valid JSON"


def _is_literal(text: str) -> bool:
    try:
        return isinstance(ast.literal_eval(text), dict)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False


def literal_to_json(line: ir.StringValue) -> ir.StringValue:
    r"""Python literals, as ``repr`` writes them, as JSON text; null where quotes do not pair.

    Every line is cut into quoted texts and what stands between them; nothing is ever evaluated. ``\\`` is set aside
    as U+0001 first, so that what follows it is no escape.
    """
    pieces = extract_all(line, _PIECES)
    whole = pieces.join("") == line
    return whole.ifelse(pieces.map(_piece_to_json).join(""), None)


def _piece_to_json(piece: ir.StringValue) -> ir.StringValue:
    quoted = piece.startswith("'") | piece.startswith('"')
    return quoted.ifelse(_text_to_json(piece), _code_to_json(piece))


def _text_to_json(piece: ir.StringValue) -> ir.StringValue:
    body = piece.substr(1, piece.length() - 2).replace("\\\\", "\x01")
    body = body.replace("\\'", "'").replace('\\"', '"').replace('"', '\\"').replace("\t", "\\t")
    body = body.re_replace(r"\\x([0-9a-fA-F]{2})", r"\\u00\1").replace("\\a", "\\u0007").replace("\\v", "\\u000b")
    wide = extract_all(body, r"\\U[0-9a-fA-F]{8}|\\?[^\\]+|\\").map(
        lambda part: part.startswith("\\U").ifelse(
            character(("0x" + part.substr(2)).try_cast("int32").coalesce(0xFFFD)), part
        )
    )
    body = body.contains("\\U").ifelse(wide.join(""), body)
    body = body.re_replace(r'\\([^"\\bfnrtu])', r"\\\\\1")
    return '"' + body.replace("\x01", "\\\\") + '"'


def _code_to_json(piece: ir.StringValue) -> ir.StringValue:
    code = piece.re_replace(r"(^|[\s,:\[({])[uUbB]$", r"\1").replace("(", "[")
    code = code.re_replace(r",?\s*\)", "]").re_replace(r"(\d)L\b", r"\1")
    for name, constant in _CONSTANTS:
        code = code.re_replace(rf"\b{name}\b", constant)
    return code
