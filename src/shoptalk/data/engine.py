"""The engine: DuckDB under Ibis.

All other modules of ``data`` build Ibis expressions over tables that come from here. What is specific to DuckDB is in
this module and in the modules ``engine_functions``, ``engine_errors``, ``engine_paths`` and ``sql``. Another engine
(Spark) needs an ``Engine`` with the same methods and its own versions of the functions in ``engine_functions``.

Tables are materialised in memory; what exceeds the memory limit is spilled to the work folder. A database file would
take half as much time again, because it compresses columns that are read only once or twice.
"""

import itertools
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import duckdb
import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa

from shoptalk.data.engine_errors import LONGEST_LINE, first_line, reading_error, storing
from shoptalk.data.engine_paths import EnginePaths
from shoptalk.data.sql import sql_name, sql_string

if TYPE_CHECKING:
    import pandas as pd  # importing it takes half a second, and only `to_pandas` needs it

Compression = Literal["none", "gzip", "zstd"]


class Engine:
    """A DuckDB database in memory, used through Ibis; a context manager.

    Parameters
    ----------
    work
        An existing folder for spilled data; the caller removes it.
    memory
        The memory limit, such as ``"512MB"``. With less than that, reading long lines fails, because DuckDB's buffer
        for lines of 16 MiB takes 256 MiB. None takes DuckDB's default, 80 % of the machine's memory.
    threads
        The number of threads; None uses all cores.
    """

    def __init__(self, work: Path, memory: str | None = "512MB", threads: int | None = None) -> None:
        self._work = work
        self._settings: dict[str, Any] = {"preserve_insertion_order": True}
        self._settings |= {"memory_limit": memory} if memory else {}
        self._settings |= {"threads": threads} if threads else {}
        self._table_numbers = itertools.count(1)
        self._row_counts: dict[str, int] = {}  # of each stored table, by its name

    def __enter__(self) -> Self:
        """Open the database."""
        with storing(self._work):
            self._paths = EnginePaths(self._work)
            spill = str(self._paths.work / "spill")
            self._connection: Any = ibis.duckdb.connect(":memory:", temp_directory=spill, **self._settings)
            # A date-time without a zone is UTC, whatever the zone of the machine.
            self._connection.raw_sql("SET TimeZone = 'UTC'")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the database and discard its tables."""
        self._connection.disconnect()
        self._paths.close()

    def cache(self, table: ir.Table, name: str | None = None, source: Path | None = None) -> ir.Table:
        """Compute a table once and store it, in its order, until the engine closes.

        Raises
        ------
        SourceError
            When ``source``, the file that the table comes from, cannot be read.
        StorageError
            When the disk is full or the memory exhausted.
        """
        with self.reading(source) if source else storing(self._work):
            table_name = name or self._next_name()
            # create_table of Ibis makes an empty table and then fills it, which takes about a third longer.
            query = self._connection.compile(table)
            self._store(f"CREATE OR REPLACE TABLE {sql_name(table_name)} AS {query}", table_name)
            return self._named(table_name, table.schema())

    def view(self, table: ir.Table) -> ir.Table:
        """Name an expression, so that queries on it refer to its columns instead of repeating their expressions."""
        return self._named(self._create_view(self._connection.compile(table)), table.schema())

    def drop(self, table: ir.Table) -> None:
        """Drop every table made by `cache` that an expression reads, and free its memory."""
        for name in {node.name for node in table.op().find(ops.DatabaseTable)} & self._row_counts.keys():
            self._connection.raw_sql(f"DROP TABLE {sql_name(name)}")
            del self._row_counts[name]

    def clear(self) -> None:
        """Drop all tables and views, so that one engine can be reused for many datasets."""
        tables = self._connection.raw_sql(
            "SELECT table_type, table_name FROM information_schema.tables WHERE table_schema = 'main'"
        ).fetchall()
        for table_type, name in sorted(tables, reverse=True):  # views before tables
            kind = "VIEW" if table_type == "VIEW" else "TABLE"
            self._connection.raw_sql(f"DROP {kind} IF EXISTS {sql_name(name)}")
        self._row_counts.clear()

    def numbered(self, table: ir.Table, column: str) -> ir.Table:
        """Add a column with the index of each row, from 0, to a table made by `cache`."""
        return table.mutate(table.rowid().cast("int64").name(column))

    def table_of(self, columns: Mapping[str, Sequence[Any]]) -> ir.Table:
        """Make a small table from Python values, given by column."""
        return self._connection.create_table(self._next_name(), ibis.memtable(pa.table(dict(columns))))

    def store(self, columns: pa.Schema, batches: Iterable[pa.RecordBatch]) -> ir.Table:
        """Store Arrow batches as a table; only one of them is in Python's memory at a time."""
        name, batch_name, rows = self._next_name(), self._next_name(), 0
        query = f"SELECT * FROM {batch_name}"  # noqa: S608
        with storing(self._work):
            self._register(batch_name, columns.empty_table())
            self._connection.raw_sql(f"CREATE TABLE {name} AS {query}")
        for batch in batches:  # what fails here is not the engine's
            with storing(self._work):
                self._register(batch_name, pa.Table.from_batches([batch]))
                self._connection.raw_sql(f"INSERT INTO {name} {query}")
            rows += batch.num_rows
        self._connection.con.unregister(batch_name)
        self._row_counts[name] = rows
        return self._connection.table(name)

    def _register(self, name: str, table: pa.Table) -> None:
        """Let queries read an Arrow table by a name."""
        self._connection.con.register(name, table)

    def read_json_lines(self, path: Path, columns: Mapping[str, str], compression: Compression = "none") -> ir.Table:
        """Read JSON lines: one row per line that is not blank; a malformed line is a row of nulls.

        Parameters
        ----------
        path
            The file.
        columns
            Key of the JSON object -> DuckDB type. Other keys are skipped.
        compression
            The compression of the file, whatever its extension.
        """
        types = ", ".join(f"{sql_name(name)}: {sql_string(type_name)}" for name, type_name in columns.items())
        with self.reading(path):  # creating the view already opens the file
            return self._view(
                f"SELECT * FROM read_json({self._paths.as_sql(path)}, format='newline_delimited', ignore_errors=true, "  # noqa: S608
                f"columns={{{types}}}, hive_partitioning=false, compression={sql_string(compression)}, "
                f"maximum_object_size={LONGEST_LINE})"
            )

    def read_lines(self, path: Path, compression: Compression = "none") -> tuple[ir.Table, int]:
        """Read lines of text into a stored table with the column ``line``; also the number of lines that are not UTF-8.

        Blank lines are left out.
        """
        options = "columns={'line': 'VARCHAR'}, header=false, delim='\x01', quote='', escape='', strict_mode=false"
        table, rejects = self._read_csv(path, options, compression)
        return table.filter(table.line.strip() != ""), len(rejects)

    def parse_json(self, lines: ir.Table, columns: Mapping[str, str]) -> ir.Table:
        """As `read_json_lines`, for JSON text in the column ``line``: slower, but without a limit of depth."""
        structure = json.dumps(dict(columns))
        selected = ", ".join(f"parsed.{sql_name(name)} AS {sql_name(name)}" for name in columns)
        stored = self.cache(lines.select("line"))
        return self._view(
            f"SELECT {selected} FROM (SELECT try(json_transform(line, {sql_string(structure)})) AS parsed "  # noqa: S608
            f"FROM {sql_name(stored.op().name)})"
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
        """Read delimited text into a stored table, every column as text.

        Parameters
        ----------
        columns
            Names of all columns of the file, in order.
        keep
            The columns to read; None for all.

        Returns
        -------
        table, rejected
            The rows in order; line number and reason of each row that does not fit the columns.
        """
        types = ", ".join(f"{sql_string(name)}: 'VARCHAR'" for name in columns)
        options = (
            f"columns={{{types}}}, header={str(header).lower()}, delim={sql_string(delimiter)}, "
            f"quote={sql_string(quote)}, escape={sql_string(quote)}, encoding={sql_string(encoding)}"
        )
        return self._read_csv(path, options, compression, keep)

    def _read_csv(
        self, path: Path, options: str, compression: Compression, keep: Sequence[str] | None = None
    ) -> tuple[ir.Table, list[tuple[int, str]]]:
        """Read a file with `read_csv` of DuckDB; ``options`` are its arguments as SQL."""
        rejects = self._next_name()
        selected = ", ".join(map(sql_name, keep)) if keep else "*"
        query = (
            f"SELECT {selected} FROM read_csv({self._paths.as_sql(path)}, {options}, auto_detect=false, "  # noqa: S608
            f"hive_partitioning=false, ignore_errors=true, store_rejects=true, "
            f"rejects_table='{rejects}', rejects_scan='{rejects}_scan', "
            f"max_line_size={LONGEST_LINE}, compression={sql_string(compression)})"
        )
        name = self._next_name()
        with self.reading(path):
            self._store(f"CREATE TABLE {name} AS {query}", name)
            rejected = self._connection.raw_sql(
                f"SELECT line, any_value(error_type::VARCHAR) FROM {rejects} GROUP BY line ORDER BY line"  # noqa: S608
            ).fetchall()
        return self._connection.table(name), [(int(line), str(reason).lower()) for line, reason in rejected]

    def read_parquet(self, path: Path) -> ir.Table:
        """A view of a Parquet file, of which only the columns that are used are read."""
        with self.reading(path):
            return self._view(f"SELECT * FROM read_parquet({self._paths.as_sql(path)}, hive_partitioning=false)")  # noqa: S608

    @contextmanager
    def reading(self, path: Path) -> Iterator[None]:
        """Turn DuckDB's errors while reading ``path`` into `SourceError` or `StorageError`."""
        try:
            yield
        except duckdb.Error as error:
            message = self._paths.in_message(first_line(error), path)
            raise reading_error(error, message, path) from error

    def write_parquet(self, table: ir.Table, path: Path, order_by: Sequence[str] = ()) -> None:
        """Write one Parquet file (zstd), sorted by ``order_by``."""
        ordered = table.order_by(list(order_by)) if order_by else table
        with storing(path):
            temporary = self._paths.work / f"{self._next_name()}.parquet"
            target = f"{sql_string(temporary)} (FORMAT parquet, COMPRESSION zstd)"
            self._connection.raw_sql(f"COPY ({self._connection.compile(ordered)}) TO {target}")
            shutil.move(temporary, path)

    def counts(self, **expressions: ir.Table | ir.IntegerScalar) -> dict[str, int]:
        """Evaluate several counts in one query, by name; a table stands for its number of rows, and null is 0.

        The number of rows of a table made by `cache` is known without a query. Counts of columns of one table are
        computed together.
        """
        counts = {name: self._row_count(expression) for name, expression in expressions.items()}
        scalars: dict[Any, dict[str, ir.IntegerScalar]] = {}
        for name, expression in expressions.items():
            if counts[name] is None:
                scalar = expression.count() if isinstance(expression, ir.Table) else expression
                scalars.setdefault(scalar.op().relations, {})[name] = scalar
        if scalars:
            counts |= self._evaluated(list(scalars.values()))
        return {name: int(count or 0) for name, count in counts.items()}

    def _row_count(self, expression: ir.Table | ir.IntegerScalar) -> int | None:
        """The number of rows of a stored table or of some of its columns; None for other expressions."""
        operation = expression.op()
        while isinstance(operation, (ops.Project, ops.DropColumns)) and not operation.find(ops.Unnest):
            operation = operation.parent
        return self._row_counts.get(operation.name) if isinstance(operation, ops.DatabaseTable) else None

    def _evaluated(self, groups: Sequence[Mapping[str, ir.IntegerScalar]]) -> dict[str, int | None]:
        """The values of scalars, by name; those of a group have one table in common."""
        queries = []
        for scalars in groups:
            (relation,) = next(iter(scalars.values())).op().relations
            queries.append(f"({self._connection.compile(relation.to_expr().aggregate(**scalars))})")
        with storing(self._work):
            # `execute` of Ibis imports pandas, which takes longer than the counts.
            row = self._connection.raw_sql(f"SELECT * FROM {', '.join(queries)}").fetchall()[0]  # noqa: S608
        return dict(zip(itertools.chain.from_iterable(groups), row, strict=True))

    def to_pandas(self, table: ir.Table) -> "pd.DataFrame":
        """The table as a data frame."""
        with storing(self._work):
            return self._connection.execute(table)

    def to_pyarrow(self, table: ir.Table) -> pa.Table:
        """The table as an Arrow table."""
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
        """The table as a relation of DuckDB: Ibis would import pandas, and call methods that DuckDB 2 has removed."""
        return self._connection.con.sql(self._connection.compile(table))

    def _store(self, query: str, name: str) -> None:
        """Run a query that creates a table, and note its number of rows."""
        self._row_counts[name] = self._connection.raw_sql(query).fetchall()[0][0]

    def _named(self, name: str, columns: ibis.Schema) -> ir.Table:
        """A table or view of which the columns are known; to ask DuckDB for them takes longer than a small query."""
        return ops.DatabaseTable(name, schema=columns, source=self._connection).to_expr()

    def _view(self, query: str) -> ir.Table:
        """Make a view of an SQL query."""
        return self._connection.table(self._create_view(query))

    def _create_view(self, query: str) -> str:
        """Make a view of an SQL query; return its name."""
        name = self._next_name()
        self._connection.raw_sql(f"CREATE TEMP VIEW {name} AS {query}")
        return name

    def _next_name(self) -> str:
        """A new table name; not t1, t2 ..., because Ibis names its subqueries so, and these would hide the table."""
        return f"table_{next(self._table_numbers)}"
