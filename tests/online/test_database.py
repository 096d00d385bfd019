"""Opening, migrating and refusing databases."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event, insert, text

from shoptalk.errors import DatabaseError
from shoptalk.online.database import VERSION_TABLE, Database, open_database
from shoptalk.online.events import Event, add_events, check_alive, count_events
from shoptalk.online.tables import EVENTS, METADATA
from tests.online import postgres


def test_the_migrations_make_the_tables_of_the_code(database: Database) -> None:
    with database.read() as connection:
        options = {"compare_type": True, "compare_server_default": True, "version_table": VERSION_TABLE}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)
    assert differences == []


def test_settings_that_keep_what_was_acknowledged(database: Database) -> None:
    with database.read() as connection:
        if database.is_sqlite:
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
            assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL
            assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        else:
            assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"


def test_opening_again_keeps_the_content(url: str) -> None:
    first = open_database(url)
    add_events(first, [Event("e", "u", "i", "click", 1.0)])
    first.close()
    second = open_database(url, create=False)
    assert count_events(second) == 1
    second.close()


def test_several_open_at_once(url: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda _: open_database(url), range(6)))
    for number, database in enumerate(opened):
        add_events(database, [Event(f"e{number}", "u", "i", "click", 1.0)])
    assert count_events(opened[0]) == 6
    for database in opened:
        database.close()


def test_a_newer_database_is_refused(url: str) -> None:
    database = open_database(url)
    with database.write() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    database.close()
    with pytest.raises(DatabaseError, match="newer than this shoptalk"):
        open_database(url)


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    row = {"event_id": "e", "user_id": "u", "item_id": "i", "kind": "click", "timestamp": 1.0, "received": 1.0}
    with suppress(ZeroDivisionError), database.write() as connection:
        connection.execute(insert(EVENTS), [row])
        raise ZeroDivisionError
    assert count_events(database) == 0


def test_errors_show_no_values(database: Database) -> None:
    row = {"event_id": "e", "user_id": "a-person", "item_id": "i", "kind": "k", "timestamp": 1.0, "received": 1.0}
    with pytest.raises(DatabaseError) as caught, database.write() as connection:
        connection.execute(insert(EVENTS), [row, row])
    assert "a-person" not in str(caught.value)


def test_refused_files(tmp_path: Path) -> None:
    text_file = tmp_path / "text.db"
    text_file.write_text("no database, but long enough to be read as the header of one" * 20)
    with pytest.raises(DatabaseError, match="not a database"):
        open_database(text_file)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE t (a)")
    with pytest.raises(DatabaseError, match="not a database of shoptalk"):
        open_database(other, create=False)
    with pytest.raises(DatabaseError, match="no such database"):
        open_database(tmp_path / "absent.db", create=False)
    assert not (tmp_path / "absent.db").exists()
    with pytest.raises(DatabaseError, match="no such folder"):
        open_database(tmp_path / "absent" / "shop.db")
    with pytest.raises(DatabaseError, match="folder"):
        open_database(tmp_path)


@pytest.mark.parametrize(
    ("url", "says"),
    [("mysql://x/y", "not supported"), ("sqlite://", "in memory"), ("sqlite:///:memory:", "in memory"), ("://", "URL")],
)
def test_refused_urls(url: str, says: str) -> None:
    with pytest.raises(DatabaseError, match=says):
        open_database(url)


def test_a_server_that_is_away(postgres_server: postgres.Server) -> None:
    database = open_database(postgres_server.empty_database())
    add_events(database, [Event("before", "u", "i", "click", 1.0)])
    postgres_server.stop("immediate")
    try:
        with pytest.raises(DatabaseError):
            add_events(database, [Event("away", "u", "i", "click", 2.0)])
        with pytest.raises(DatabaseError):
            check_alive(database)
    finally:
        postgres_server.start()
    add_events(database, [Event("after", "u", "i", "click", 3.0)])  # the same object connects again
    assert count_events(database) == 2
    database.close()


def test_the_password_is_not_shown() -> None:
    with pytest.raises(DatabaseError) as caught:
        open_database("postgresql://user:geheim@/none?host=/nowhere")
    assert "geheim" not in str(caught.value)


def test_a_full_disk_stores_nothing_and_is_survived(tmp_path: Path) -> None:
    database = open_database(tmp_path / "shop.db")
    add_events(database, [Event("before", "u", "i", "click", 1.0)])
    with database.engine.connect() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar()

    def limit(raw: Any, _record: object) -> None:
        raw.execute(f"PRAGMA max_page_count = {pages + 2}")

    database.engine.dispose()
    event.listen(database.engine, "connect", limit)
    large = [Event(f"large-{number}", "u", "i" * 400, "click", 2.0) for number in range(500)]
    with pytest.raises(DatabaseError, match="full"):
        add_events(database, large)
    assert count_events(database) == 1
    event.remove(database.engine, "connect", limit)
    database.engine.dispose()  # there is room again
    assert add_events(database, large).stored == 500
    database.close()


def test_a_reader_sees_one_state(database: Database) -> None:
    with database.read() as connection:
        count = text("SELECT count(*) FROM events")
        assert connection.execute(count).scalar() == 0
        add_events(database, [Event("meanwhile", "u", "i", "click", 1.0)])
        assert connection.execute(count).scalar() == 0
    assert count_events(database) == 1
