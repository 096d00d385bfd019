"""Files of one JSON object or Python literal per line: plain, gzip or zstd, detected by content and not by name."""

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
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_HEAD_BYTES = 1 << 16

#: Pieces of a Python literal: quoted texts, and the code between them.
_PIECES = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^'"]+"""
_CONSTANTS = (("True", "true"), ("False", "false"), ("None", "null"), ("nan", "null"), ("inf", "null"))


@dataclass(frozen=True)
class FileHead:
    """The first 64 KiB (``head``, decompressed) of a file, and what they show."""

    path: Path
    compression: Compression
    head: bytes

    @property
    def first_line(self) -> str:
        """The first line that is not blank, without a byte order mark; bytes that are not UTF-8 are replaced."""
        lines = (line.strip() for line in self.head.removeprefix(_BYTE_ORDER_MARK).splitlines())
        return next((line for line in lines if line), b"").decode("utf-8", errors="replace")

    @property
    def has_byte_order_mark(self) -> bool:
        """Whether the file starts with the byte order mark of UTF-8."""
        return self.head.startswith(_BYTE_ORDER_MARK)

    @property
    def is_python_literal(self) -> bool:
        """Whether the first line is a Python literal and not JSON."""
        try:
            json.loads(self.first_line)
        except (ValueError, RecursionError):
            return self.first_line.startswith(("{'", '{u"', "{u'")) or _is_literal(self.first_line)
        return False


def inspect(path: Path, *, parquet: bool = False) -> FileHead:
    """Read the beginning of a file, and refuse formats that cannot be read.

    Parameters
    ----------
    parquet
        Whether a Parquet file is allowed.

    Raises
    ------
    SourceError
        For a missing, empty or unreadable file, a folder, damaged compression, and content that is not text in UTF-8:
        UTF-16, workbooks, archives, databases ... (see `file_kinds`).
    """
    where = printable(path)
    signature = _signature(path)
    compression: Compression = next((name for name, magic in _MAGIC.items() if signature.startswith(magic)), "none")
    if compression == "none" and path.suffix in {".gz", ".zst"} and signature:
        raise SourceError(f"is not compressed, though its name ends in {path.suffix}", where=where, hint="rename it")
    with opened(path, compression) as stream:
        head = stream.read(_HEAD_BYTES)
    if not head.removeprefix(_BYTE_ORDER_MARK).strip():
        raise SourceError("the file is empty", where=where, hint="download or copy it again")
    if kind := file_kinds.kind_of(head, path):
        if parquet and compression == "none" and kind.name == "parquet":
            return FileHead(path, compression, head)
        raise SourceError(kind.message, where=where, hint=kind.hint)
    if head.startswith(_UTF16_MARKS) or head.count(0) > len(head) // 4:
        raise SourceError(
            "is not UTF-8 text (it looks like UTF-16)",
            where=where,
            hint="convert it to UTF-8, for example with: iconv -f utf-16 -t utf-8 OLD > NEW",
        )
    if compression == "zstd":
        _check_zstd(path)
    return FileHead(path, compression, head)


def _signature(path: Path) -> bytes:
    """The first four bytes, after checking that the path is a readable file."""
    where = printable(path)
    try:
        if path.is_dir():
            raise SourceError("is a folder, not a file", where=where, hint="name the file inside it")
        if not path.exists():
            raise SourceError("there is no such file", where=where, hint="check the path in the recipe's [data]")
        if not path.is_file():  # the file is read more than once
            raise SourceError("is a pipe or a device, not a file", where=where, hint="write it to a file first")
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=where, hint="check its permissions") from error


@contextmanager
def opened(path: Path, compression: Compression) -> Iterator[BinaryIO]:
    """Open a file for reading its decompressed bytes; errors while reading become `SourceError`."""
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


def _check_zstd(path: Path) -> None:
    """Read a zstd file to its end, because DuckDB reads a truncated one without an error."""
    with opened(path, "zstd") as stream:
        while stream.read(1 << 20):
            pass


def read_objects(
    file: FileHead, columns: Mapping[str, str], convert: Callable[[ir.Table], ir.Table], engine: Engine
) -> tuple[ir.Table, int]:
    """Read objects, one per line, into a stored table.

    Parameters
    ----------
    file
        The file, from `inspect`.
    columns
        Key of the object -> ``VARCHAR`` or ``JSON``; other keys are skipped.
    convert
        A function from a table with these columns to the table to store, with the same rows.
    engine
        The engine, in which the table is made.

    Returns
    -------
    table, undecodable
        The table, with ``position`` (the index of the line among those that are not blank), and the number of lines
        that are not UTF-8 and have no row. A line that is not an object has a row of nulls.
    """
    if not (file.is_python_literal or file.has_byte_order_mark):
        try:
            objects = engine.read_json_lines(file.path, columns, file.compression)
            return engine.numbered(engine.cache(convert(objects), source=file.path), "position"), 0
        except SourceError as error:
            if "recursion depth" not in error.message:  # a line is nested too deeply for this reader
                raise
    lines, undecodable = engine.read_lines(file.path, file.compression)
    if file.has_byte_order_mark:
        lines = lines.mutate(line=lines.line.lstrip().replace("\ufeff", ""))
    if file.is_python_literal:
        lines = lines.mutate(line=literal_to_json(lines.line))
    table = engine.cache(convert(engine.parse_json(lines, columns)), source=file.path)
    return engine.numbered(table, "position"), undecodable


def find_lines(file: FileHead, indices: Collection[int], reasons: Collection[str]) -> Iterator[malformed.MalformedLine]:
    """Find the lines at ``indices`` and, if ``NOT_UTF8`` is among ``reasons``, the first undecodable line.

    The file is read line by line in Python, which is slow; this is called only when there are malformed lines, and
    stops at the last of them.
    """
    missing_indices, missing_reasons, index = set(indices), set(reasons), 0
    skip_undecodable = malformed.NOT_UTF8 in reasons
    with opened(file.path, file.compression) as stream:
        for number, raw in enumerate(stream, 1):
            line = (raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw).strip()
            if not line:
                continue
            if skip_undecodable and not _decodes(line):
                if malformed.NOT_UTF8 in missing_reasons:
                    missing_reasons.discard(malformed.NOT_UTF8)
                    yield malformed.MalformedLine(number, -1, malformed.NOT_UTF8, _decoded(line))
            else:
                if index in missing_indices:
                    missing_indices.discard(index)
                    error = _syntax_error(line, literal=file.is_python_literal)
                    yield malformed.MalformedLine(number, index, error, _decoded(line))
                index += 1
            if not (missing_indices or missing_reasons):
                return


def _decodes(line: bytes) -> bool:
    """Whether a line is UTF-8."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decoded(line: bytes) -> str:
    """The beginning of a line as text, with bytes that are not UTF-8 replaced."""
    return line[:400].decode("utf-8", errors="replace")


def _syntax_error(line: bytes, *, literal: bool) -> str:
    """The error in the syntax of a line (of Python if ``literal``, else of JSON), or ""."""
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
    """Whether a text is a Python literal of a dictionary."""
    try:
        return isinstance(ast.literal_eval(text), dict)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False


def literal_to_json(line: ir.StringValue) -> ir.StringValue:
    r"""Python literals, as ``repr`` writes them, as JSON text; null where quotes are not paired.

    Every line is split into quoted texts and the code between them; nothing is evaluated. ``\\`` is first replaced by
    U+0001, so that the character after it is not taken for an escape.
    """
    pieces = extract_all(line, _PIECES)
    whole = pieces.join("") == line
    return whole.ifelse(pieces.map(_piece_to_json).join(""), None)


def _piece_to_json(piece: ir.StringValue) -> ir.StringValue:
    """A quoted text, or the code between two, as JSON."""
    quoted = piece.startswith("'") | piece.startswith('"')
    return quoted.ifelse(_text_to_json(piece), _code_to_json(piece))


def _text_to_json(piece: ir.StringValue) -> ir.StringValue:
    """A quoted text of Python as a JSON string."""
    body = piece.substr(1, piece.length() - 2).replace("\\\\", "\x01")
    body = body.replace("\\'", "'").replace('\\"', '"').replace('"', '\\"').replace("\t", "\\t")
    body = body.re_replace(r"\\x([0-9a-fA-F]{2})", r"\\u00\1").replace("\\a", "\\u0007").replace("\\v", "\\u000b")
    with_astral = extract_all(body, r"\\U[0-9a-fA-F]{8}|\\?[^\\]+|\\").map(
        lambda part: part.startswith("\\U").ifelse(
            character(("0x" + part.substr(2)).try_cast("int32").coalesce(0xFFFD)), part
        )
    )
    body = body.contains("\\U").ifelse(with_astral.join(""), body)
    body = body.re_replace(r'\\([^"\\bfnrtu])', r"\\\\\1")
    return '"' + body.replace("\x01", "\\\\") + '"'


def _code_to_json(piece: ir.StringValue) -> ir.StringValue:
    """Python code between quoted texts as JSON: prefixes of strings, tuples, long integers and constants."""
    code = piece.re_replace(r"(^|[\s,:\[({])[uUbB]$", r"\1").replace("(", "[")
    code = code.re_replace(r",?\s*\)", "]").re_replace(r"(\d)L\b", r"\1")
    for name, constant in _CONSTANTS:
        code = code.re_replace(rf"\b{name}\b", constant)
    return code
