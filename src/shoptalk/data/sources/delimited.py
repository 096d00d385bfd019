"""CSV and similar formats: detection of the delimiter, and the lines of rows that do not fit the header."""

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

#: The column with the index of a row in the file, from 0.
ROW = "_row"

#: Numbers and dates, which are unlikely names of columns.
_VALUE = re.compile(r"[-+]?\d+([.,]\d+)?$|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")

Encoding = Literal["utf-8", "latin-1"]


@dataclass(frozen=True)
class Delimited:
    """A delimited text file: the names of all its columns, and its dialect."""

    file: lines.FileHead
    names: tuple[str, ...]
    delimiter: str = ","
    quote: str = '"'
    header: bool = True
    encoding: Encoding = "utf-8"


@dataclass(frozen=True)
class Rows:
    """The rows of a delimited file, in order, with `ROW`; ``rejected`` has number and reason of each malformed row."""

    table: ir.Table
    rejected: tuple[tuple[int, str], ...]

    @property
    def reasons(self) -> dict[str, int]:
        """Reason -> number of rows rejected for it."""
        return dict(Counter(reason for _, reason in self.rejected))


def with_header(file: lines.FileHead) -> Delimited:
    """A file with a header in its first line; of `DELIMITERS`, the one that gives the most names is used."""
    headers = {delimiter: _cells(file.first_line, delimiter) for delimiter in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda candidate: len(headers[candidate]))
    return Delimited(file, tuple(name.strip() for name in headers[delimiter]), delimiter)


def without_header(file: lines.FileHead) -> Delimited:
    """A file without a header; its columns are named ``column 1``, ``column 2`` ..."""
    source = with_header(file)
    names = tuple(f"column {number}" for number in range(1, len(source.names) + 1))
    return replace(source, names=names, header=False)


def looks_like_data(names: Sequence[str]) -> bool:
    """Whether a first line is a row rather than a header: it has numbers, dates or repeated cells."""
    cells = [name for name in names if name]
    return len(set(cells)) < len(cells) or any(_VALUE.match(cell) for cell in cells)


def _cells(line: str, delimiter: str) -> list[str]:
    """The cells of one line."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return [line]


def read_rows(source: Delimited, keep: Sequence[str], engine: Engine) -> Rows:
    """Read the columns ``keep``, as text.

    Raises
    ------
    SourceError
        When a name is empty or occurs twice, or the file cannot be read.
    """
    repeated = {name for name in source.names if source.names.count(name) > 1} - {""}
    if repeated or "" in source.names:
        problem = f"the column {min(repeated)!r} occurs twice" if repeated else "a column of the header has no name"
        raise SourceError(
            problem, where=f"{printable(source.file.path)}:1", hint="every column needs a name of its own"
        )
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
    """A function that finds the lines of malformed rows."""
    return partial(_find, source, dict(rows.rejected))


def _find(
    source: Delimited, rejected: dict[int, str], indices: Collection[int], reasons: Collection[str]
) -> Iterator[malformed.MalformedLine]:
    """Find the rows at ``indices``, and one rejected row for each of ``reasons``; rejected rows have no index.

    The file is read row by row in Python, which is slow; this is called only when there are malformed rows.
    """
    missing_indices, missing_reasons, index = set(indices), set(reasons), 0
    with lines.opened(source.file.path, source.file.compression) as stream:
        text = io.TextIOWrapper(stream, encoding=source.encoding, errors="replace", newline="")
        quoting = {"quotechar": source.quote} if source.quote else {"quotechar": None, "quoting": csv.QUOTE_NONE}
        # csv takes one character only. The first one of the delimiter is enough to find the rows.
        reader = csv.reader(text, delimiter=source.delimiter[0], **quoting)
        next_line = 1
        try:
            for number, cells in enumerate(reader, 1):
                line, next_line = next_line, reader.line_num + 1
                if not cells or (number == 1 and source.header):
                    continue
                row_text = source.delimiter[0].join(cells)
                if number in rejected:
                    if rejected[number] in missing_reasons:
                        missing_reasons.discard(rejected[number])
                        yield malformed.MalformedLine(line, -1, rejected[number], row_text)
                else:
                    if index in missing_indices:
                        missing_indices.discard(index)
                        yield malformed.MalformedLine(line, index, "", row_text)
                    index += 1
                if not (missing_indices or missing_reasons):
                    return
        except csv.Error as error:
            yield malformed.MalformedLine(next_line, -1, str(error), "")
