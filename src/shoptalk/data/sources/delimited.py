"""CSV and its relatives: the delimiter told from the header, lines of rows that do not fit."""

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import ibis.expr.types as ir

from shoptalk.data.engine import Engine
from shoptalk.data.engine_paths import printable
from shoptalk.data.sources import lines, malformed
from shoptalk.errors import SourceError

DELIMITERS = (",", "\t", ";", "|")

#: The place of a row in the file, from 0; no name that a file would have.
ROW = "_row"

#: What the name of a column does not look like: a number or a date.
_VALUE = re.compile(r"[-+]?\d+([.,]\d+)?$|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")

Encoding = Literal["utf-8", "latin-1"]


@dataclass(frozen=True)
class Delimited:
    """A text file of rows: its names of all columns, and how they are written."""

    file: lines.Peek
    names: tuple[str, ...]
    delimiter: str = ","
    quote: str = '"'
    header: bool = True
    encoding: Encoding = "utf-8"


@dataclass(frozen=True)
class Rows:
    """A delimited file's rows, in order with `ROW`; ``rejected``: row number and reason of those that do not fit."""

    table: ir.Table
    rejected: tuple[tuple[int, str], ...]

    @property
    def reasons(self) -> dict[str, int]:
        """Reason -> how many rows do not fit for it."""
        return dict(Counter(reason for _, reason in self.rejected))


def with_header(file: lines.Peek) -> Delimited:
    """Take the names from the first line; the delimiter is the one that gives the most of them (of `DELIMITERS`)."""
    rows = {mark: _cells(file.first, mark) for mark in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda mark: len(rows[mark]))
    return Delimited(file, tuple(name.strip() for name in rows[delimiter]), delimiter)


def without_header(file: lines.Peek) -> Delimited:
    """Names ``column 1``, ``column 2`` ... for the cells of the first line, which is a row."""
    source = with_header(file)
    names = tuple(f"column {number}" for number in range(1, len(source.names) + 1))
    return replace(source, names=names, header=False)


def looks_like_data(names: Sequence[str]) -> bool:
    """Whether a first line is a row rather than a header: numbers, dates, empty or repeated cells."""
    cells = [name for name in names if name]
    return len(set(cells)) < len(cells) or any(_VALUE.match(cell) for cell in cells)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return [line]


def read_rows(source: Delimited, keep: Sequence[str], engine: Engine) -> Rows:
    """Read the columns ``keep``, as text.

    Raises
    ------
    SourceError
        When a name occurs twice or the file cannot be read.
    """
    twice = {name for name in source.names if source.names.count(name) > 1}
    if twice or "" in source.names:
        what = f"the column {min(twice)!r} occurs twice" if twice - {""} else "a column of the header has no name"
        raise SourceError(what, where=f"{printable(source.file.path)}:1", hint="every column needs a name of its own")
    table, rejected = engine.read_csv(
        source.file.path,
        source.names,
        keep=keep,
        delimiter=source.delimiter,
        quote=source.quote,
        header=source.header,
        encoding=source.encoding,
        compression=source.file.compression,
    )
    return Rows(engine.numbered(table, ROW), tuple(rejected))


def finder(source: Delimited, rows: Rows) -> malformed.Finder:
    """Find the lines of malformed rows."""
    return partial(_find, source, dict(rows.rejected))


def _find(
    source: Delimited, rejected: dict[int, str], indices: Collection[int], reasons: Collection[str]
) -> Iterator[malformed.Found]:
    """Rejected rows have no place; the others are counted. Only errors come here, so this goes row by row."""
    wanted, no_rows, index = set(indices), set(reasons), 0
    with lines.opened(source.file.path, source.file.compression) as stream:
        text = io.TextIOWrapper(stream, encoding=source.encoding, errors="replace", newline="")
        style = {"quotechar": source.quote} if source.quote else {"quotechar": None, "quoting": csv.QUOTE_NONE}
        # Of a delimiter of two characters the first will do: only rows are counted here.
        reader = csv.reader(text, delimiter=source.delimiter[0], **style)
        start = 1
        try:
            for number, cells in enumerate(reader, 1):
                begins, start = start, reader.line_num + 1
                if not cells or (number == 1 and source.header):
                    continue
                if number in rejected:
                    if rejected[number] in no_rows:
                        no_rows.discard(rejected[number])
                        yield malformed.Found(begins, -1, rejected[number], source.delimiter[0].join(cells))
                else:
                    if index in wanted:
                        wanted.discard(index)
                        yield malformed.Found(begins, index, "", source.delimiter[0].join(cells))
                    index += 1
                if not (wanted or no_rows):
                    return
        except csv.Error as error:
            yield malformed.Found(start, -1, str(error), "")
