"""The sources `database` and `events`: three kinds of databases with the same rows, hostile names, errors, secrets."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from shoptalk.data.databases import open_source_database
from shoptalk.data.engine import Engine
from shoptalk.data.prepare import prepare
from shoptalk.data.sources.raw_tables import RawTables
from shoptalk.data.sources.registry import read
from shoptalk.errors import BadLines, RecipeError, ShoptalkError, SourceError, UsageError
from shoptalk.recipe import Data, parse_recipe, read_recipe
from tests.online import postgres

from .raw import rows

#: A name that would end a statement and begin another, if it were not quoted.
HOSTILE = "orders\"; DROP TABLE products; --'"
COLUMNS = {
    "user_id": "who",
    "item_id": "sku",
    "timestamp": "moment",
    "rating": "stars",
    "title": 'na"me',
    "categories": "kinds",
}
FIRST = 1_600_000_000.123456
Run = Callable[..., Any]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def fill(run: Run, mark: str) -> None:
    """Ten purchases of two users, and five products, in a random order of rows."""
    run(f"CREATE TABLE {quoted(HOSTILE)} (who BIGINT, sku TEXT, moment DOUBLE PRECISION, stars REAL, other TEXT)")
    for number in (7, 2, 9, 0, 4, 5, 1, 8, 3, 6):
        values = (number % 2 + 9, f"i{number % 5}", FIRST + number, 4.5)
        run(f"INSERT INTO {quoted(HOSTILE)} VALUES ({mark}, {mark}, {mark}, {mark}, 'x')", values)
    run(f"CREATE TABLE products (sku TEXT, {quoted('na' + chr(34) + 'me')} TEXT, kinds TEXT)")
    for number in range(5):
        run(f"INSERT INTO products VALUES ({mark}, {mark}, {mark})", (f"i{number}", f"Soap No. {number}", "A|B's"))
    run(f"CREATE VIEW bought AS SELECT * FROM {quoted(HOSTILE)} WHERE moment < {FIRST + 4}")


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    if reason := postgres.why_not():
        pytest.skip(reason)
    with postgres.server() as running:
        yield running


@pytest.fixture(params=["sqlite", "duckdb", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind with the same rows."""
    if request.param == "sqlite":
        connection: Any = sqlite3.connect(tmp_path / "shop.db")
        fill(connection.execute, "?")
        connection.commit()
        connection.close()
        return f"sqlite:///{tmp_path / 'shop.db'}"
    if request.param == "duckdb":
        connection = duckdb.connect(str(tmp_path / "shop.duckdb"))
        fill(connection.execute, "?")
        connection.close()
        return f"duckdb:///{tmp_path / 'shop.duckdb'}"
    import psycopg

    address = request.getfixturevalue("server").empty_database().replace("+psycopg", "")
    with psycopg.connect(address, autocommit=True) as opened:
        fill(opened.execute, "%s")
    return str(address)


def load(
    engine: Engine, url: str, interactions: str = HOSTILE, items: str | None = "products", **data: Any
) -> RawTables:
    content = {"columns": COLUMNS, "url": url, "interactions": interactions, "items": items, **data}
    return read(Data.model_validate({"source": "database", **content}), frozenset({"categories"}), engine)


def test_every_kind_gives_the_same_rows(url: str, shared_engine: Engine) -> None:
    raw_tables = load(shared_engine, url)
    interactions = rows(raw_tables.interactions, shared_engine)
    # Sorted by user as text ("10" before "9"), product, time: the order of the rows in the database does not matter.
    expected = sorted(((str(n % 2 + 9), f"i{n % 5}", FIRST + n) for n in range(10)), key=lambda row: (row[0], row[1]))
    assert [(row["user_id"], row["item_id"], row["timestamp"]) for row in interactions] == expected
    assert {row["rating"] for row in interactions} == {4.5}
    items = rows(raw_tables.items, shared_engine, "item_id")
    assert [item["title"] for item in items] == [f"Soap No. {number}" for number in range(5)]
    assert items[0]["categories"] == ["A", "B's"]
    assert raw_tables.read == {"reviews": 10, "items": 5, "bad_lines": 0}
    assert len(rows(load(shared_engine, url, "bought").interactions, shared_engine)) == 4  # a view is a query


def test_a_missing_table_or_column_names_the_nearest(url: str, shared_engine: Engine) -> None:
    with pytest.raises(SourceError, match="there is no table 'product'") as error:
        load(shared_engine, url, items="product")
    assert error.value.hint == "did you mean products?"
    with pytest.raises(SourceError, match="there is no column 'whom'") as error:
        load(shared_engine, url, columns={**COLUMNS, "user_id": "whom"})
    assert error.value.hint == "did you mean who?"
    assert "table orders" in str(error.value.where)


def test_nothing_can_be_written(url: str) -> None:
    with open_source_database(url) as database, pytest.raises(Exception, match=r"read.?only|readonly"):
        database._backend.raw_sql("DELETE FROM products")


def test_types_of_postgresql(server: postgres.Server, shared_engine: Engine) -> None:
    import psycopg

    address = server.empty_database()
    with psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as opened:
        opened.execute("CREATE SCHEMA shop")
        opened.execute("CREATE TYPE size AS ENUM ('s', 'm')")
        opened.execute(
            "CREATE TABLE shop.orders "
            "(user_id UUID, item_id NUMERIC, timestamp TIMESTAMPTZ, rating NUMERIC(3, 1), e size)"
        )
        opened.execute(
            "INSERT INTO shop.orders VALUES (gen_random_uuid(), 12, '2024-03-01 12:00:00+02', 4.5, 's'), "
            "(gen_random_uuid(), 13, '2024-03-01 12:00:00.000001+00', NULL, 'm')"
        )
        opened.execute("CREATE TABLE shop.items (item_id INT, title VARCHAR(9), categories TEXT[], price NUMERIC)")
        opened.execute("INSERT INTO shop.items VALUES (12, 'Soap', '{A,B}', 3.25), (13, 'Oil', NULL, NULL)")
    data = {"source": "database", "url": address, "interactions": "shop.orders", "items": "shop.items"}
    raw_tables = read(Data.model_validate(data), frozenset({"categories", "price"}), shared_engine)
    interactions = rows(raw_tables.interactions, shared_engine, "timestamp")
    assert [row["timestamp"] for row in interactions] == [1709287200.0, 1709294400.000001]
    assert [(row["item_id"], row["rating"]) for row in interactions] == [("12", 4.5), ("13", None)]
    items = rows(raw_tables.items, shared_engine, "item_id")
    assert [(item["title"], item["categories"], item["price"]) for item in items] == [
        ("Soap", ["A", "B"], 3.25),
        ("Oil", None, None),
    ]
    with pytest.raises(SourceError, match="there is no table 'shop.order'"):
        read(Data.model_validate({**data, "interactions": "shop.order"}), frozenset(), shared_engine)


def test_malformed_rows_count(shared_engine: Engine, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("CREATE TABLE t (user_id, item_id, timestamp)")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?)", [("u", "a", 1), ("u", None, 2), ("u", b"\xff", "soon")]
        )
    with pytest.raises(BadLines, match="no usable item_id.*"):
        load(shared_engine, str(tmp_path / "s.db"), "t", None, columns={})
    raw_tables = load(shared_engine, str(tmp_path / "s.db"), "t", None, columns={}, max_bad_lines=0.9)
    assert [row["item_id"] for row in rows(raw_tables.interactions, shared_engine)] == ["a"]


@pytest.mark.parametrize(
    ("url", "error", "match"),
    [
        ("nowhere.db", SourceError, "cannot open the database"),
        ("sqlite:///text.db", SourceError, "this is no file of sqlite"),
        ("text.db", SourceError, "this is no file of SQLite or DuckDB"),
        ("mysql://host/db", UsageError, "cannot read 'mysql://host/db'"),
        ("${UNSET_URL}", UsageError, "the environment variable UNSET_URL is not set"),
        ("postgresql://shop:${SHOP_SECRET}@127.0.0.1:1/shop", SourceError, "cannot connect"),
        ("postgresql://shop:${SHOP_SECRET}@[::1/shop", UsageError, "no address"),
        ("postgresql://shop@127.0.0.1:1/shop?password=${SHOP_SECRET}&nonsense=1", UsageError, "no address"),
        ("${SHOP_ADDRESS}", UsageError, "no address"),
    ],
)
def test_what_cannot_be_opened(
    url: str,
    error: type[ShoptalkError],
    match: str,
    shared_engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOP_SECRET", "hunter2@/:%")
    monkeypatch.setenv("SHOP_ADDRESS", "postgresql://shop:hunter2/x@127.0.0.1:1/shop")
    Path("text.db").write_text("not a database")
    with pytest.raises(error, match=match) as raised:
        load(shared_engine, url)
    assert "hunter2" not in f"{raised.value} {raised.value.as_dict()}"


def test_a_cut_file_is_an_error(shared_engine: Engine, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "s.db") as connection:
        fill(connection.execute, "?")
    content = (tmp_path / "s.db").read_bytes()
    (tmp_path / "s.db").write_bytes(content[: len(content) // 2])
    with pytest.raises(SourceError, match="s.db"):
        load(shared_engine, str(tmp_path / "s.db"))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://shop:hunter2@host/shop",
        "postgresql://shop:hunter2/x@host/shop",
        "postgresql://host/shop?user=shop&password=hunter2",
    ],
)
def test_a_password_in_a_recipe_is_refused_and_not_printed(url: str, tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(f'[data]\nsource = "database"\nurl = "{url}"\ninteractions = "orders"\n')
    with pytest.raises(RecipeError, match="a password would be copied") as error:
        read_recipe(path)
    assert "hunter2" not in str(error.value)
    path.write_text('[data]\nsource = "database"\nurl = "x"\ninteractions = "orders"\n')
    with pytest.raises(RecipeError, match="a password would be copied") as error:
        read_recipe(path, [f"data.url={url}"])
    assert "hunter2" not in str(error.value)


def test_what_prepare_writes_names_no_password(
    server: postgres.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    address = server.empty_database().replace("+psycopg", "")
    with psycopg.connect(address, autocommit=True) as opened:
        fill(opened.execute, "%s")
    monkeypatch.setenv("SHOP_SECRET", "hunter2")
    url = address.replace("://shoptalk@", "://shoptalk:${SHOP_SECRET}@")
    columns = {name: column for name, column in COLUMNS.items() if name != "categories"}
    data = {"source": "database", "url": url, "interactions": HOSTILE, "items": "products", "columns": columns}
    recipe = parse_recipe({"data": data})
    result = prepare(recipe, tmp_path / "dataset")
    assert result.kept == {"users": 2, "items": 5, "interactions": 10}
    written = (tmp_path / "dataset" / "dataset.json").read_text() + recipe.to_toml()
    assert "hunter2" not in written
    sources = json.loads((tmp_path / "dataset" / "dataset.json").read_text())["sources"]
    assert sources[1] == {"path": "postgresql://shoptalk@/postgres, table products", "sha256": None}


def test_settings_that_do_not_fit() -> None:
    for content, match in (
        ({"source": "database", "interactions": "orders"}, "the source `database` needs `url`"),
        ({"source": "table", "interactions": "i.csv", "url": "x"}, "the source `table` has no `url`"),
        ({"source": "events", "url": "x", "items": "i"}, "the source `events` has its own tables"),
    ):
        with pytest.raises(RecipeError, match=match):
            parse_recipe({"data": content})


MEMORY = """
import resource, sys
from pathlib import Path
from shoptalk.data.databases import open_source_database
from shoptalk.data.engine import Engine
from shoptalk.data.sources.registry import read
from shoptalk.recipe import Data
import pandas, ibis
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
from shoptalk.data import databases
databases.BATCH_ROWS = 2_000
with open_source_database(sys.argv[1]) as database:
    _, batches = database.batches(database.table("orders"))
    rows = sum(batch.num_rows for batch in batches)
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_memory_does_not_grow_with_the_table(kind: str, tmp_path: Path) -> None:
    """25 batches of 10 MB are read in less than the 250 MB of the table, with what DuckDB keeps of the file."""
    path = tmp_path / "big"
    connection: Any = sqlite3.connect(path) if kind == "sqlite" else duckdb.connect(str(path))
    connection.execute("CREATE TABLE orders (user_id TEXT, review TEXT)")
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT i FROM n"
    numbers = numbers if kind == "sqlite" else "SELECT range AS i FROM range(50000)"
    connection.execute(f"INSERT INTO orders SELECT i, printf('%05000d', i) FROM ({numbers})")
    connection.commit()
    connection.close()
    command = [sys.executable, "-c", MEMORY, str(path)]
    rows, kibibytes = map(int, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    assert rows == 50_000
    assert kibibytes < 125_000
