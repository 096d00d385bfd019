"""Reading one benchmark file of any format, in bounded memory."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from shoptalk.data.benchmarks.formats import FORMATS, format_of
from shoptalk.data.benchmarks.row import BenchmarkRow
from shoptalk.data.benchmarks.tables import read_table
from shoptalk.errors import SourceError
from shoptalk.files import JsonObject
from shoptalk.jsonrows import read_objects

#: Most rows of a file that are held; of a longer file a random sample is.
MOST_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class BenchmarkFile:
    """The rows of a file.

    Attributes
    ----------
    path
        The file.
    format
        The name of its format.
    rows
        The rows, or a random sample of `MOST_ROWS` of them in their order.
    total
        Number of rows in the file.
    """

    path: Path
    format: str
    rows: list[BenchmarkRow]
    total: int


def read_benchmark(
    path: Path, *, for_training: bool | None = None, name: str | None = None, seed: int = 1, most: int = MOST_ROWS
) -> BenchmarkFile:
    """Read a file.

    Parameters
    ----------
    for_training
        The part of its rows; None: as the rows say.
    name
        The format; None: that of the first row.
    most
        Most rows that are held.

    Raises
    ------
    SourceError
        When the file cannot be read, or a row does not have the format; with file, line and value.
    """
    sample: list[tuple[int, BenchmarkRow]] = []
    total, generator = 0, Random(seed)
    for _, where, content in _objects(path, FORMATS[name].EXAMPLE if name else FORMATS["instruction rows"].EXAMPLE):
        name = name or format_of(content, where)
        row: BenchmarkRow = FORMATS[name].read(content, where)
        if for_training is not None:
            row = replace(row, for_training=for_training)
        if total < most:
            sample.append((total, row))
        elif (slot := generator.randrange(total + 1)) < most:
            sample[slot] = (total, row)
        total += 1
    if name is None or not total:
        raise SourceError("the file has no rows", where=str(path), hint="write one row per line")
    return BenchmarkFile(path, name, [row for _, row in sorted(sample, key=lambda pair: pair[0])], total)


def _objects(path: Path, example: str) -> Iterator[tuple[int, str, JsonObject]]:
    """The rows of a file as objects: JSON if the first character is a bracket, else a table."""
    if head_of(path)[:1] in (b"{", b"["):
        return read_objects(path, SourceError, example, arrays=True)
    return read_table(path)


def head_of(path: Path) -> bytes:
    """The first 4 KiB of a file, decompressed, without a byte order mark; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            return file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return b"{"  # the reader of JSON says where the file is damaged
    except OSError:
        return b""
