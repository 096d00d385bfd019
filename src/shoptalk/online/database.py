"""Opening a database: SQLite in a file, or PostgreSQL. What `Database.write` has committed is on the disk.

SQLite: journal mode WAL with ``synchronous = FULL``, which syncs the journal at every commit. PostgreSQL: connections
set ``synchronous_commit = on``, and a server with ``fsync = off`` is refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from shoptalk.errors import DatabaseError, require

#: The table in which Alembic keeps the version.
VERSION_TABLE = "shoptalk_version"
_URLS = "sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME"
#: Milliseconds that a writer waits for another one.
_PATIENCE = 30_000
#: Keys of PostgreSQL's advisory locks; any fixed numbers do.
MIGRATION_LOCK, ITEMS_LOCK, EXPERIMENTS_LOCK = 7_105_001, 7_105_002, 7_105_003


@dataclass(frozen=True, slots=True)
class Database:
    """An open database. Threads may share it; a process that is forked must open its own.

    Attributes
    ----------
    name
        The URL or path, without a password: for messages.
    engine
        The engine of SQLAlchemy.
    """

    name: str
    engine: Engine

    @property
    def is_sqlite(self) -> bool:
        """Whether it is SQLite, else PostgreSQL."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database.

        Raises
        ------
        DatabaseError
            If the database cannot be reached or read.
        """
        with self._errors("read"), self.engine.connect() as plain:
            # PostgreSQL's default is one state for each statement.
            state = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            connection = plain.execution_options(**state)
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed, and synced to the disk, at the end; an error leaves nothing of it.

        Raises
        ------
        DatabaseError
            If the database cannot be reached or written. After a lost connection it is unknown whether the
            transaction was committed; writing the same events again does no harm.
        """
        with self._errors("write"), self.engine.connect() as plain:
            connection = plain.execution_options(shoptalk_writes=True)
            with connection.begin():
                yield connection

    def lock(self, connection: Connection, key: int) -> None:
        """Wait until no other transaction holds the lock, and hold it to the end of this one.

        SQLite has one writer at a time anyway.
        """
        if not self.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})

    def checkpoint(self) -> None:
        """Move SQLite's journal into the file, so that nothing of what was deleted is left in the journal.

        It waits for readers, up to the patience of a writer. PostgreSQL needs none.
        """
        if self.is_sqlite:
            with self._errors("write"), self.engine.connect() as connection:
                options = connection.execution_options(isolation_level="AUTOCOMMIT")
                options.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        """Turn the errors of SQLAlchemy and of the drivers into one line."""
        try:
            yield
        except SQLAlchemyError as error:
            raise DatabaseError(f"cannot {doing}: {_reason(error)}", where=self.name) from error


def open_database(url: str | Path, *, create: bool = True) -> Database:
    """Open a database and bring its tables to the newest version.

    Several processes may do so at once: one of them makes or changes the tables, the others wait.

    Parameters
    ----------
    url
        The path of an SQLite file, ``sqlite:///PATH``, or ``postgresql+psycopg://USER:PASSWORD@HOST/NAME``.
    create
        Whether to make the file, or the tables, if there are none.

    Raises
    ------
    DatabaseError
        If there is no such database, if it is not one of shoptalk or of a newer version, or if it may lose what it
        has acknowledged (``fsync = off``).
    MissingExtra
        If the driver of PostgreSQL is not installed.
    """
    parsed = _parse(url)
    name = parsed.database or "" if parsed.get_backend_name() == "sqlite" else parsed.render_as_string()
    if parsed.get_backend_name() == "sqlite":
        engine = _sqlite(parsed, create=create)
    else:
        require("psycopg", "postgres")
        engine = create_engine(parsed, pool_pre_ping=True)
        event.listen(engine, "connect", _prepare_postgresql)
    database = Database(name, engine)
    try:
        _upgrade(database, create=create)
    except BaseException:
        database.close()
        raise
    return database


def _parse(url: str | Path) -> URL:
    """The URL; anything without ``://`` is the path of an SQLite file."""
    text_of = str(url)
    if "://" not in text_of:
        return URL.create("sqlite", database=text_of)
    try:
        parsed = make_url(text_of)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError) as error:
        raise DatabaseError(
            "this is no URL of a database", hint="sqlite:///PATH or postgresql+psycopg://..."
        ) from error
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return URL.create("sqlite", database=parsed.database)
    message = f"{parsed.drivername} is not supported" if backend != "sqlite" else "a database in memory would be lost"
    raise DatabaseError(message, hint=_URLS)


def _sqlite(url: URL, *, create: bool) -> Engine:
    """An engine for an SQLite file."""
    path = Path(url.database or "")
    if path.is_dir():
        raise DatabaseError("this is a folder, not a database", where=str(path))
    if not create and not path.exists():
        raise DatabaseError("no such database", where=str(path), hint="give the file that shoptalk serve writes")
    if create and not path.parent.is_dir():
        raise DatabaseError("no such folder", where=str(path.parent), hint="make it first")
    engine = create_engine(url, connect_args={"timeout": _PATIENCE / 1000})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """The settings of a new connection; transactions are begun by `_begin_sqlite`."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for setting in (
        f"busy_timeout = {_PATIENCE}",
        "journal_mode = WAL",
        "synchronous = FULL",  # a commit returns after the journal is on the disk
        "foreign_keys = ON",
        "secure_delete = ON",  # what is erased is overwritten
    ):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Begin as a writer at once where the transaction writes: changing from reader to writer can fail."""
    writes = connection.get_execution_options().get("shoptalk_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare_postgresql(connection: Any, _record: object) -> None:
    """The settings of a new connection."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
        cursor.execute("SET timezone = 'UTC'")
    connection.commit()


def _upgrade(database: Database, *, create: bool) -> None:
    """Apply the migrations that the database does not have yet."""
    script = ScriptDirectory(str(Path(__file__).parent / "migrations"))
    newest = script.get_current_head()
    with database.read() as connection:
        current = _version(connection)
        if current is None and not create:
            raise DatabaseError("not a database of shoptalk", where=database.name)
        if not database.is_sqlite and connection.execute(text("SHOW fsync")).scalar() != "on":
            raise DatabaseError(
                "the server runs with fsync = off and would lose events", where=database.name, hint="set fsync = on"
            )
    if current == newest:
        return
    with database.write() as connection:
        database.lock(connection, MIGRATION_LOCK)
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        current = context.get_current_revision()
        known = {revision.revision for revision in script.walk_revisions()}
        if current is not None and current not in known:
            raise DatabaseError(
                f"its version {current} is newer than this shoptalk knows",
                where=database.name,
                hint="install the version of shoptalk that wrote it, or a later one",
            )
        steps = list(script.iterate_revisions(newest, current or "base"))
        for step in reversed(steps):
            with Operations.context(context):
                step.module.upgrade()
        context.stamp(script, newest or "head")


def _version(connection: Connection) -> str | None:
    """The version of the tables; None without tables."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def _reason(error: SQLAlchemyError) -> str:
    """The message of the driver, without the statement and its values, which may be personal data."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        with suppress(IndexError):
            return " ".join(str(error.orig).split())[:300]
    return type(error).__name__
