"""The one engine-specific file: DuckDB under Ibis.

Everything else in ``data`` is Ibis expressions over tables that come from here. To run them on another engine (Spark),
write its ``Engine`` with the same methods and its versions of the functions at the end of this file.

Tables are materialised in memory, and what does not fit under the limit is spilled into the work folder; a database
file would cost half as much time again, for packing columns that are read once or twice.
"""

import itertools
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import duckdb
import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa

from shoptalk.errors import SourceError, StorageError

if TYPE_CHECKING:
    import pandas as pd  # half a second, and only `to_pandas` needs it

Compression = Literal["none", "gzip", "zstd"]

#: Paths that DuckDB takes as they are. Others hold what it would expand (``* ? [ ] ~``), take for an address
#: (``http:``) or for a column of its own (``user_id=7/``), or cannot take at all (bytes that are no UTF-8).
_PLAIN_PATH = re.compile(r"[\w./ +,@-]*", re.ASCII)

#: What a line may be before reading stops with an error, in bytes; JSON lines double it.
LONGEST_LINE = 1 << 24


class Engine:
    """A DuckDB database in memory, used through Ibis; a context manager.

    Parameters
    ----------
    work
        An existing folder for what is spilled; the caller removes it.
    memory
        Limit such as ``"512MB"``, below which reading long lines fails: the engine's buffer for lines of 16 MiB takes
        256 MiB at once. None lets DuckDB take its default, 80 % of the machine's.
    threads
        Number of threads; None uses every core.
    """

    def __init__(self, work: Path, memory: str | None = "512MB", threads: int | None = None) -> None:
        self._work = work
        self._settings: dict[str, Any] = {
            "preserve_insertion_order": True,
        }
        self._settings |= {"memory_limit": memory} if memory else {}
        self._settings |= {"threads": threads} if threads else {}
        self._numbers = itertools.count(1)
        self._con: Any = None
        self._links: dict[Path, Path] = {}
        self._alias: tempfile.TemporaryDirectory[str] | None = None
        self._plain_work = work.absolute()

    def __enter__(self) -> Self:
        """Open the database."""
        with storing(self._work):
            self._plain_work = self._named_plainly()
            spill = str(self._plain_work / "spill")
            self._con = ibis.duckdb.connect(":memory:", temp_directory=spill, **self._settings)
            self._con.raw_sql("SET TimeZone = 'UTC'")  # a date-time without a zone is UTC, wherever we are
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the database; its tables are gone."""
        self._con.disconnect()
        for link in self._links.values():
            link.unlink(missing_ok=True)
        if self._alias is not None:
            self._alias.cleanup()

    def cache(self, table: ir.Table, name: str | None = None, source: Path | None = None) -> ir.Table:
        """Compute a table once and keep it, in its order, for the life of the engine.

        Raises
        ------
        SourceError
            When ``source``, the file that the table is read from, cannot be read.
        StorageError
            When the disk is full or the memory exhausted.
        """
        with self.reading(source) if source else storing(self._work):
            made = name or self._name()
            # Ibis' own create_table makes an empty table and fills it, which costs about a third more.
            self._con.raw_sql(f"CREATE OR REPLACE TABLE {_quoted(made)} AS {self._con.compile(table)}")
            return self._con.table(made)

    def view(self, table: ir.Table) -> ir.Table:
        """Name an expression; what is built on it reads its columns instead of repeating what they are made of."""
        return self._view(self._con.compile(table))

    def drop(self, table: ir.Table) -> None:
        """Forget every table made by `cache` that an expression reads, and free its space."""
        for name in {found.name for found in table.op().find(ops.DatabaseTable)}:
            kind = self._con.raw_sql(
                f"SELECT table_type FROM information_schema.tables WHERE table_name = {_text(name)}"  # noqa: S608
            ).fetchall()
            if kind and kind[0][0] != "VIEW":
                self._con.raw_sql(f"DROP TABLE {_quoted(name)}")

    def clear(self) -> None:
        """Forget every table and view; whoever works through many shops with one engine keeps it small."""
        found = self._con.raw_sql(
            "SELECT table_type, table_name FROM information_schema.tables WHERE table_schema = 'main'"
        ).fetchall()
        for kind, name in sorted(found, reverse=True):  # views before tables
            self._con.raw_sql(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} IF EXISTS {_quoted(name)}")

    def numbered(self, table: ir.Table, column: str) -> ir.Table:
        """Add the place of each row, from 0, to a table made by `cache`."""
        return table.mutate(table.rowid().cast("int64").name(column))

    def table_of(self, columns: Mapping[str, Sequence[Any]]) -> ir.Table:
        """Make a small table of Python values."""
        return self._con.create_table(self._name(), ibis.memtable(pa.table(dict(columns))))

    def read_json_lines(self, path: Path, columns: Mapping[str, str], compression: Compression = "none") -> ir.Table:
        """One row per line that is not blank; a malformed line is a row of nulls.

        Parameters
        ----------
        path
            The file.
        columns
            Key of the JSON object -> DuckDB type. Keys that are not named here are skipped.
        compression
            Of the file, whatever its name says.
        """
        listed = ", ".join(f"{_quoted(name)}: {_text(kind)}" for name, kind in columns.items())
        with self.reading(path):  # binding looks into the file already
            return self._view(
                f"SELECT * FROM read_json({self._file(path)}, format='newline_delimited', ignore_errors=true, "  # noqa: S608
                f"columns={{{listed}}}, hive_partitioning=false, compression={_text(compression)}, "
                f"maximum_object_size={LONGEST_LINE})"
            )

    def read_lines(self, path: Path, compression: Compression = "none") -> tuple[ir.Table, int]:
        """One row per line that is not blank, as text (column ``line``), kept; and how many were not UTF-8."""
        options = "columns={'line': 'VARCHAR'}, header=false, delim='\x01', quote='', escape='', strict_mode=false"
        table, rejects = self._read_csv(path, options, compression)
        return table.filter(table.line.strip() != ""), len(rejects)

    def parse_json(self, lines: ir.Table, columns: Mapping[str, str]) -> ir.Table:
        """As `read_json_lines`, of JSON text in the column ``line``; slower, and without a limit of depth."""
        structure = "{" + ", ".join(f"{json.dumps(name)}: {json.dumps(kind)}" for name, kind in columns.items()) + "}"
        chosen = ", ".join(f"parsed.{_quoted(name)} AS {_quoted(name)}" for name in columns)
        kept = self.cache(lines.select("line"))
        return self._view(
            f"SELECT {chosen} FROM (SELECT try(json_transform(line, {_text(structure)})) AS parsed "  # noqa: S608
            f"FROM {_quoted(kept.op().name)})"
        )

    def read_csv(
        self,
        path: Path,
        columns: Sequence[str],
        *,
        delimiter: str = ",",
        quote: str = '"',
        header: bool = True,
        encoding: Literal["utf-8", "latin-1"] = "utf-8",
        compression: Compression = "none",
        keep: Sequence[str] | None = None,
    ) -> tuple[ir.Table, list[tuple[int, str]]]:
        """Read delimited text, every column as text, kept.

        Parameters
        ----------
        columns
            Names of all columns of the file, in order.
        keep
            The columns that are needed; None for all.

        Returns
        -------
        table, rejected
            The rows in order, and line number and reason of each row that does not fit the columns.
        """
        listed = ", ".join(f"{_text(name)}: 'VARCHAR'" for name in columns)
        options = (
            f"columns={{{listed}}}, header={str(header).lower()}, delim={_text(delimiter)}, quote={_text(quote)}, "
            f"escape={_text(quote)}, encoding={_text(encoding)}"
        )
        return self._read_csv(path, options, compression, keep)

    def _read_csv(
        self, path: Path, options: str, compression: Compression, keep: Sequence[str] | None = None
    ) -> tuple[ir.Table, list[tuple[int, str]]]:
        rejects = self._name()
        chosen = ", ".join(map(_quoted, keep)) if keep else "*"
        query = (
            f"SELECT {chosen} FROM read_csv({self._file(path)}, {options}, auto_detect=false, "  # noqa: S608
            f"hive_partitioning=false, ignore_errors=true, store_rejects=true, "
            f"rejects_table='{rejects}', rejects_scan='{rejects}_scan', "
            f"max_line_size={LONGEST_LINE}, compression={_text(compression)})"
        )
        name = self._name()
        with self.reading(path):
            self._con.raw_sql(f"CREATE TABLE {name} AS {query}")
            found = self._con.raw_sql(
                f"SELECT line, any_value(error_type::VARCHAR) FROM {rejects} GROUP BY line ORDER BY line"  # noqa: S608
            ).fetchall()
        return self._con.table(name), [(int(line), str(reason).lower()) for line, reason in found]

    def read_parquet(self, path: Path) -> ir.Table:
        """A Parquet file, read column by column as needed."""
        with self.reading(path):
            return self._view(f"SELECT * FROM read_parquet({self._file(path)}, hive_partitioning=false)")  # noqa: S608

    @contextmanager
    def reading(self, path: Path) -> Iterator[None]:
        """Turn the engine's errors while reading ``path`` into `SourceError`."""
        try:
            yield
        except duckdb.Error as error:
            text = _first_line(error).replace(str(self._links.get(path, path)), printable(path))
            raise _as_source_error(error, text, path) from error

    def write_parquet(self, table: ir.Table, path: Path, order_by: Sequence[str] = ()) -> None:
        """Write one Parquet file (zstd), sorted by ``order_by``."""
        ordered = table.order_by(list(order_by)) if order_by else table
        with storing(path):
            made = self._plain_work / f"{self._name()}.parquet"
            to = f"{_text(made)} (FORMAT parquet, COMPRESSION zstd)"
            self._con.raw_sql(f"COPY ({self._con.compile(ordered)}) TO {to}")
            shutil.move(made, path)

    def counts(self, **expressions: ir.Table | ir.IntegerScalar) -> dict[str, int]:
        """Evaluate several counts in one query; a table counts its rows; null counts as 0."""
        scalars = {
            name: expression.count() if isinstance(expression, ir.Table) else expression
            for name, expression in expressions.items()
        }
        with storing(self._work):
            # Not through Ibis's one-row table in memory: that imports pandas, which takes longer than the counts.
            each = ", ".join(f"({self._con.compile(scalar)})" for scalar in scalars.values())
            row = self._con.raw_sql(f"SELECT {each}").fetchall()[0]
        return {name: int(value or 0) for name, value in zip(scalars, row, strict=True)}

    def to_pandas(self, table: ir.Table) -> "pd.DataFrame":
        """The table in memory."""
        with storing(self._work):
            return self._con.execute(table)

    def to_pyarrow(self, table: ir.Table) -> pa.Table:
        """The table in memory, as Arrow."""
        with storing(self._work):
            relation = self._relation(table)
            return relation.to_arrow_table() if hasattr(relation, "to_arrow_table") else relation.fetch_arrow_table()

    def batches(self, table: ir.Table, size: int = 65_536) -> Iterator[pa.RecordBatch]:
        """The table in Arrow batches of ``size`` rows."""
        with storing(self._work):
            relation = self._relation(table)
            reader = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
            yield from reader(size)

    def _relation(self, table: ir.Table) -> Any:
        """The engine's own: Ibis's way out imports pandas, and calls methods that DuckDB 2 no longer has."""
        return self._con.con.sql(self._con.compile(table))

    def _file(self, path: Path) -> str:
        """A path as an SQL string that means this one file, whatever characters its name has.

        DuckDB reads a path as a pattern. One with other characters than `_PLAIN_PATH` has is read through a symbolic
        link of a plain name.
        """
        whole = os.path.abspath(path)  # noqa: PTH100 - links stay as they are
        if _PLAIN_PATH.fullmatch(whole):
            return _text(whole)
        if path not in self._links:
            link = self._plain_work / f"file_{next(self._numbers)}"
            try:
                link.symlink_to(whole)
            except OSError as error:
                raise StorageError(
                    f"no link to a file with such a name can be made: {error.strerror}",
                    where=printable(path),
                    hint="give the file a name of letters, digits, dots and dashes",
                ) from error
            self._links[path] = link
        return _text(self._links[path])

    def _named_plainly(self) -> Path:
        """The work folder, or a link to it among the system's temporary files where its own path is not plain."""
        work = self._work.absolute()
        if _PLAIN_PATH.fullmatch(str(work)):
            return work
        self._alias = tempfile.TemporaryDirectory(prefix="shoptalk-")
        folder = Path(self._alias.name).absolute()
        if not _PLAIN_PATH.fullmatch(str(folder)):
            raise StorageError(
                "the folder of temporary files has characters in its path that the engine does not take as they are",
                where=printable(folder),
                hint="set TMPDIR to a folder of letters, digits, dots and dashes",
            )
        (folder / "work").symlink_to(work)
        return folder / "work"

    def _view(self, query: str) -> ir.Table:
        name = self._name()
        self._con.raw_sql(f"CREATE TEMP VIEW {name} AS {query}")
        return self._con.table(name)

    def _name(self) -> str:
        """A name of our own: Ibis calls its subqueries t1, t2 ..., and one of those would hide a table of its name."""
        return f"table_{next(self._numbers)}"


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn a full disk or exhausted memory into `StorageError`."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise StorageError(_first_line(error), where=str(path), hint="give it more memory or disk") from error
    except duckdb.IOException as error:
        raise StorageError(_first_line(error), where=str(path), hint="free space or choose another folder") from error


def _as_source_error(error: duckdb.Error, text: str, path: Path) -> Exception:
    """The engine's message (its first line is ``text``) as one of ours, with what to do."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return StorageError(text, where=printable(path), hint="give it more memory or disk")
    lowered = str(error).lower()
    if "no space left" in lowered or "could not write" in lowered:
        return StorageError(text, where=printable(path), hint="free space or choose another folder")
    if "gzip" in lowered or "zstd" in lowered or "decompress" in lowered or "deflate" in lowered:
        return SourceError(
            f"the compressed file is damaged or cut off: {text}",
            where=printable(path),
            hint="download or copy it again",
        )
    if "maximum_object_size" in lowered or "maximum line size" in lowered:
        return SourceError(
            f"a line is longer than {LONGEST_LINE >> 20} MiB",
            where=printable(path),
            hint="one record per line is expected",
        )
    if "state machine" in lowered:
        return SourceError(
            "quotes or line ends are mixed up", where=printable(path), hint="write the table anew as plain CSV"
        )
    return SourceError(
        f"cannot be read: {text}", where=printable(path), hint="check that the file is what the recipe says"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]


def printable(path: Path) -> str:
    """A path as text that can be printed on one line: line breaks, and bytes that are no UTF-8, are escaped."""
    text = os.fsencode(path).decode("utf-8", errors="backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _text(value: object) -> str:
    """A value as an SQL string."""
    return "'" + str(value).replace("'", "''") + "'"


def _quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


# Functions of the engine that Ibis has no name for. Their bodies are empty: Ibis calls the engine's own.


@ibis.udf.scalar.builtin(name="regexp_extract_all")
def extract_all(text: str, pattern: str) -> list[str]:
    """Every match of an RE2 pattern, in order."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="try_strptime")
def parsed_time(text: str, patterns: list[str]) -> datetime:
    """The moment (UTC where no zone is written) by the first of constant patterns that fits, or null."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="epoch_us")
def epoch_microseconds(moment: datetime) -> int:
    """Microseconds since 1970."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="chr")
def character(code: int) -> str:
    """The character of a Unicode code point."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="json_transform")
def _strings(text: dt.JSON, structure: str) -> list[str]:
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="json_transform")
def _nested(text: dt.JSON, structure: str) -> list[list[str]]:
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="json_extract_string")
def _string(text: dt.JSON, path: str) -> str:
    raise NotImplementedError


def json_list(value: ir.Value) -> ir.Value:
    """A JSON value as an array of text: a list of texts, of lists of texts (made flat), or one text."""
    text = value.cast("string")
    return ibis.cases(
        (text.startswith("[["), _nested(value, '[["VARCHAR"]]').flatten()),
        (text.startswith("["), _strings(value, '["VARCHAR"]')),
        (text.startswith('"'), ibis.array([_string(value, "$")])),
    )


def json_text(value: ir.Value) -> ir.Value:
    """A JSON value as text: of a list, its elements joined by spaces."""
    return json_list(value).filter(lambda part: part.notnull()).join(" ")
