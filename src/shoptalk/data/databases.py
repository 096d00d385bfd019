"""Databases of others, read only: SQLite, DuckDB and PostgreSQL, through Ibis.

Tables and views are read by name, and rows arrive in batches, so that memory does not grow with a table. Every
statement is built by Ibis, which quotes all names. Connections cannot write.
"""

import contextlib
import difflib
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa

from shoptalk.data.engine_errors import first_line
from shoptalk.data.engine_paths import printable
from shoptalk.errors import SourceError, UsageError, require
from shoptalk.urls import fill_variables, is_url, without_password

#: Rows of a batch.
BATCH_ROWS = 50_000
#: Seconds to wait for a server.
_PATIENCE = 15
#: Memory of a DuckDB file that is read; its own tables are read piece by piece.
_MEMORY = "256MB"
_SQLITE, _DUCKDB = b"SQLite format 3\0", b"DUCK"
_FORMS = "sqlite:///PATH, duckdb:///PATH or postgresql://USER:${PASSWORD}@HOST/NAME"
_SHOWN_TABLES = 20


class SourceDatabase(ABC):
    """An open database; a context manager.

    Parameters
    ----------
    name
        Its address without a password, for messages.
    backend
        The backend of Ibis.
    """

    def __init__(self, name: str, backend: Any) -> None:
        self.name = name
        self._backend = backend

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            self._backend.disconnect()

    def label(self, table: str) -> str:
        """How messages name a table."""
        return f"{self.name}, table {printable(table)}"

    def tables(self) -> list[str]:
        """The names of all tables and views, without their schema."""
        with self.reading(self.name):
            return sorted(self._list_tables())

    def _list_tables(self) -> list[str]:
        return list(self._backend.list_tables())

    def table(self, name: str) -> ir.Table:
        """A table or view; ``SCHEMA.NAME`` where it is not in the default schema.

        Raises
        ------
        SourceError
            If there is none, with the nearest name.
        """
        with self.reading(self.label(name)):
            for schema, plain in ((None, name), *([tuple(name.split(".", 1))] if "." in name else [])):
                with contextlib.suppress(ibis.common.exceptions.TableNotFound):
                    return self._backend.table(plain, database=schema)
        known = self.tables()
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        shown = ", ".join(known[:_SHOWN_TABLES]) or "no tables"
        raise SourceError(
            f"there is no table {name!r}",
            where=self.name,
            hint=f"did you mean {near[0]}?" if near else f"it has: {shown}",
        )

    def batches(self, table: ir.Table) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The Arrow schema and the rows of an expression over tables of this database, in batches."""
        with self.reading(self.name):
            return self._batches(self._readable(table))

    @abstractmethod
    def _readable(self, table: ir.Table) -> ir.Table:
        """The expression with columns of types that Arrow has."""

    @abstractmethod
    def _batches(self, table: ir.Table) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """As `batches`."""

    @contextlib.contextmanager
    def reading(self, where: str) -> Iterator[None]:
        """Turn errors of the database and its driver into a `SourceError`."""
        try:
            yield
        except (SourceError, ibis.common.exceptions.TableNotFound):
            raise
        except Exception as error:
            if not (isinstance(error, (pa.ArrowException, UnicodeError)) or _is_database_error(error)):
                raise
            raise SourceError(f"cannot read: {first_line(error)}", where=where) from error


class _Sqlite(SourceDatabase):
    """SQLite, whose columns hold values of any type: all are read as text."""

    def _readable(self, table: ir.Table) -> ir.Table:
        return table

    def _batches(self, table: ir.Table) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        columns = pa.schema([(name, pa.string()) for name in table.columns])
        query = self._backend.compile(table)

        def rows() -> Iterator[pa.RecordBatch]:
            with self.reading(self.name), contextlib.closing(self._backend.con.cursor()) as cursor:
                cursor.execute(query)
                while chunk := cursor.fetchmany(BATCH_ROWS):
                    values = [[_as_text(value) for value in column] for column in zip(*chunk, strict=True)]
                    yield pa.record_batch([pa.array(column, pa.string()) for column in values], schema=columns)

        return columns, rows()


class _Typed(SourceDatabase):
    """A database whose columns have types."""

    def _readable(self, table: ir.Table) -> ir.Table:
        return table.select(**{name: _plain(table[name]) for name in table.columns})


class _Duckdb(_Typed):
    """A DuckDB file."""

    def _list_tables(self) -> list[str]:  # that of Ibis 12 calls a method that DuckDB 2 has removed
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
        return [name for (name,) in self._backend.raw_sql(query).fetchall()]

    def _batches(self, table: ir.Table) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        relation = self._backend.con.sql(self._backend.compile(table))
        reader = (getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader)(BATCH_ROWS)
        return reader.schema, self._each(reader)

    def _each(self, reader: Any) -> Iterator[pa.RecordBatch]:
        with self.reading(self.name):
            yield from reader


class _Postgres(_Typed):
    """A PostgreSQL server; rows come through a cursor of the server."""

    def _batches(self, table: ir.Table) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        reader = self._backend.to_pyarrow_batches(table, chunk_size=BATCH_ROWS)

        def rows() -> Iterator[pa.RecordBatch]:
            with self.reading(self.name):
                yield from reader

        return reader.schema, rows()


def open_source_database(url: str) -> SourceDatabase:
    """Open a database to read from it.

    Parameters
    ----------
    url
        An address, ``sqlite:///PATH``, ``duckdb:///PATH`` or ``postgresql://...``, or the path of a file of SQLite or
        DuckDB, which is told by its first bytes. ``${NAME}`` is the value of an environment variable.

    Raises
    ------
    SourceError
        If it cannot be reached or opened.
    UsageError
        If the address cannot be understood, or names a variable that is not set.
    MissingExtra
        If the driver of PostgreSQL is not installed.
    """
    filled = fill_variables(url)
    if not is_url(filled):
        return _open_file(Path(filled).expanduser())
    try:
        parsed = urlsplit(filled)
        scheme = parsed.scheme.partition("+")[0].lower()
        if scheme in {"postgresql", "postgres"}:
            _ = parsed.port  # a ValueError, where a password with a slash was not escaped
            return _open_postgres(filled)
        if scheme in {"sqlite", "duckdb"} and not parsed.netloc and len(parsed.path) > 1:
            return _open_file(Path(unquote(parsed.path[1:])).expanduser(), scheme)
    except ValueError as error:
        raise UsageError("this is no address of a database", hint=f"write {_FORMS}") from error
    raise UsageError(f"cannot read {without_password(url)!r}", hint=f"write {_FORMS}")


def _open_file(path: Path, kind: str | None = None) -> SourceDatabase:
    """Open a file of SQLite or DuckDB, if it is one."""
    where = printable(path)
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise SourceError(
            f"cannot open the database: {(error.strerror or 'unreadable').lower()}",
            where=where,
            hint=f"give the path of a file, or {_FORMS}",
        ) from error
    found = {head == _SQLITE: "sqlite", head[8:12] == _DUCKDB: "duckdb"}.get(True)
    if found is None or kind not in {None, found}:
        raise SourceError(
            f"this is no file of {kind or 'SQLite or DuckDB'}", where=where, hint="give its database file"
        )
    opener = _open_sqlite if found == "sqlite" else _open_duckdb
    try:
        return opener(path)
    except (sqlite3.Error, duckdb.Error) as error:
        raise SourceError(f"cannot open the database: {first_line(error)}", where=where) from error


def _open_sqlite(path: Path) -> SourceDatabase:
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=_PATIENCE)
    connection.text_factory = lambda text: text.decode("utf-8", errors="replace")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA query_only = ON")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # reads the file
    return _Sqlite(printable(path), ibis.sqlite.from_connection(connection))


def _open_duckdb(path: Path) -> SourceDatabase:
    settings = {"enable_external_access": "false", "memory_limit": _MEMORY, "threads": "1"}  # its views read no files
    connection = duckdb.connect(str(path), read_only=True, config=settings)
    connection.execute("SET TimeZone = 'UTC'")
    return _Duckdb(printable(path), ibis.duckdb.from_connection(connection))


def _open_postgres(url: str) -> SourceDatabase:
    require("psycopg", "postgres")
    import psycopg

    scheme, _, rest = url.partition("://")
    url = f"{scheme.partition('+')[0]}://{rest}"  # as SQLAlchemy writes it, with the name of a driver
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error as error:  # its message may quote the password
        raise UsageError(
            "this is no address of PostgreSQL", hint="write postgresql://USER:${PASSWORD}@HOST/NAME; escape / @ : by %"
        ) from error
    name = _public_name(url)
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=_PATIENCE)
        connection.execute("SET default_transaction_read_only = on")
        return _Postgres(name, ibis.postgres.from_connection(connection))
    except psycopg.Error as error:
        reason = first_line(error).removeprefix("connection failed: ")
        raise SourceError(
            f"cannot connect: {reason}", where=name, hint="check its address, and that it runs"
        ) from error


def _public_name(url: str) -> str:
    """The address of a server without its password and its parameters."""
    return without_password(url).replace(":***@", "@").partition("?")[0]


def _plain(column: ir.Column) -> ir.Column:
    """A column as it is, where Arrow and the engine have its type; else its text."""
    kind = column.type()
    simple = kind.is_integer() or kind.is_floating() or kind.is_boolean() or kind.is_timestamp() or kind.is_date()
    if simple or kind.is_string():
        return column
    if kind.is_array():
        return column.cast("array<string>")
    return column.cast("string")


def _as_text(value: Any) -> str | None:
    """A value of SQLite as text; numbers in their shortest exact form."""
    if value is None or isinstance(value, str):
        return value
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def _is_database_error(error: Exception) -> bool:
    """Whether an error comes from a database or its driver."""
    if isinstance(error, (sqlite3.Error, duckdb.Error, ibis.common.exceptions.IbisError)):
        return True
    return any(kind.__module__.partition(".")[0] == "psycopg" for kind in type(error).__mro__)
