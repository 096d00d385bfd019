"""The data of a run with those of a database: what is new, what is known, what was dropped, erased or moved."""

import sqlite3
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from shoptalk.data.dataset import open_dataset
from shoptalk.data.engine import Engine
from shoptalk.data.grown import INTERACTIONS, ITEMS, grow, new_cases
from shoptalk.data.prepare import prepare
from shoptalk.data.sources.registry import read
from shoptalk.errors import SourceError, UsageError
from shoptalk.online.database import open_database
from shoptalk.online.events import Event, add_events, erase_user
from shoptalk.recipe import Data, Recipe, parse_recipe

from .raw import rows

PURCHASE = ("purchase",)


def event(number: int, user: str, item: str, timestamp: float, kind: str = "purchase") -> Event:
    return Event(f"e{number}", user, item, kind, timestamp)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """A database of the service with three purchases and a click."""
    database = open_database(tmp_path / "shop.db")
    events = [
        event(1, "u1", "b", 50),
        event(2, "u3", "c", 60),
        event(3, "u1", "a", 10),
        event(4, "u1", "c", 70, "click"),
    ]
    add_events(database, events)
    return database


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """A run's recipe: u0 has four purchases, u1 and u2 have three; u3 has two, too few, and one of a low rating."""
    lines = ["user_id,item_id,timestamp,rating,title"]
    for user in ("u0", "u1", "u2"):
        lines += [f"{user},{item},{time},5,Soap {item}" for time, item in ((10, "a"), (20, "b"), (30, "c"))]
    lines += ["u0,a,40,5,Soap a", "u3,a,10,5,Soap a", "u3,b,20,5,Soap b", "u3,c,25,1,Soap c"]
    (tmp_path / "i.csv").write_text("\n".join(lines) + "\n")
    data = {"interactions": str(tmp_path / "i.csv"), "min_history": 3, "min_rating": 2, "duplicates": "keep"}
    made = parse_recipe({"data": {"source": "table", "time_format": "seconds", **data}})
    prepare(made, tmp_path / "dataset")
    return made


def purchases(folder: Path) -> list[tuple[str, str, float]]:
    dataset = open_dataset(folder)
    return [
        (user, item, time)
        for user, start, end in zip(dataset.rows.users, dataset.rows.start, dataset.rows.end, strict=True)
        for item, time in zip(dataset.rows.item[start:end], dataset.rows.time[start:end], strict=True)
    ]


def test_new_purchases_are_added_and_dropped_users_come_back(recipe: Recipe, store: Any, tmp_path: Path) -> None:
    grown = grow(recipe, tmp_path / "dataset", str(tmp_path / "shop.db"), PURCHASE, tmp_path / "raw")
    # The click is no purchase, and u1's a at 10 is known.
    assert (grown.purchases, grown.users, grown.items, grown.erased) == (2, 2, 0, 0)
    prepare(grown.recipe, tmp_path / "new")
    known = {(user, item, time) for user in ("u0", "u1", "u2") for item, time in (("a", 10), ("b", 20), ("c", 30))}
    known.add(("u0", "a", 40))
    assert set(purchases(tmp_path / "new")) == known | {
        ("u1", "b", 50), ("u3", "a", 10), ("u3", "b", 20), ("u3", "c", 60),
    }  # fmt: skip
    assert len(purchases(tmp_path / "new")) == 14
    asked = [("u1", "b", 50.0), ("u2", "c", 30.0), ("u3", "c", 60.0)]
    assert new_cases(tmp_path / "raw", asked) == [True, False, True]


def test_without_its_files_the_dataset_of_the_run_is_used(recipe: Recipe, store: Any, tmp_path: Path) -> None:
    (tmp_path / "i.csv").unlink()
    grown = grow(recipe, tmp_path / "dataset", str(tmp_path / "shop.db"), PURCHASE, tmp_path / "raw")
    assert grown.purchases == 2
    assert "is gone" in grown.warnings[0]
    prepare(grown.recipe, tmp_path / "new")
    assert {user for user, _, _ in purchases(tmp_path / "new")} == {"u0", "u1", "u2"}


def test_a_second_time_nothing_is_new(recipe: Recipe, store: Any, tmp_path: Path) -> None:
    grown = grow(recipe, tmp_path / "dataset", str(tmp_path / "shop.db"), PURCHASE, tmp_path / "raw")
    prepare(grown.recipe, tmp_path / "new")
    again = grow(grown.recipe, tmp_path / "new", str(tmp_path / "shop.db"), PURCHASE, tmp_path / "raw2")
    assert again.purchases == 0
    prepare(again.recipe, tmp_path / "new2")
    assert open_dataset(tmp_path / "new2").fingerprint == open_dataset(tmp_path / "new").fingerprint


def test_erased_people_leave_the_data_of_the_run(recipe: Recipe, store: Any, tmp_path: Path) -> None:
    erase_user(store, "u1")
    grown = grow(recipe, tmp_path / "dataset", str(tmp_path / "shop.db"), PURCHASE, tmp_path / "raw")
    assert grown.erased == 3
    for name in (INTERACTIONS, "new.parquet"):
        assert "u1" not in pq.read_table(tmp_path / "raw" / name)["user_id"].to_pylist()
    prepare(grown.recipe, tmp_path / "new")
    assert {user for user, _, _ in purchases(tmp_path / "new")} == {"u0", "u2", "u3"}


def test_products_of_the_database_replace_those_of_the_run(recipe: Recipe, store: Any, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        for item, title in (("c", "Soap c, new"), ("d", "Oil")):
            connection.execute(
                "INSERT INTO items (item_id, title, brand, categories, description, features, hidden, deleted, added, "
                "changed, revision) VALUES (?, ?, '', '[\"x\"]', '', '[]', 0, 1, 1, 1, 1)",
                (item, title),
            )
    add_events(store, [event(9, "u2", "d", 90)])
    grown = grow(recipe, tmp_path / "dataset", str(tmp_path / "shop.db"), PURCHASE, tmp_path / "raw")
    assert grown.items == 1
    prepare(grown.recipe, tmp_path / "new")
    catalogue = open_dataset(tmp_path / "new").catalogue
    assert {item: catalogue[item].title for item in ("a", "c", "d")} == {"a": "Soap a", "c": "Soap c, new", "d": "Oil"}
    assert (tmp_path / "raw" / ITEMS).exists()


def test_another_database_needs_the_tables_of_the_recipe(recipe: Recipe, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE orders (user_id, item_id, timestamp, title)")
        connection.execute("INSERT INTO orders VALUES ('u2', 'a', 80, 'Soap a')")
    with pytest.raises(UsageError, match="no database of shoptalk serve"):
        grow(recipe, tmp_path / "dataset", str(tmp_path / "other.db"), PURCHASE, tmp_path / "raw")
    data = recipe.data.model_copy(
        update={"source": "database", "url": "moved", "interactions": "orders", "min_rating": None}
    )
    from_database = recipe.model_copy(update={"data": data})
    grown = grow(from_database, tmp_path / "dataset", str(tmp_path / "other.db"), PURCHASE, tmp_path / "raw")
    assert grown.purchases == 1
    prepare(grown.recipe, tmp_path / "new")
    assert ("u2", "a", 80.0) in purchases(tmp_path / "new")


def test_the_events_of_the_service_are_a_source(store: Any, tmp_path: Path) -> None:
    data = Data.model_validate({"source": "events", "url": str(tmp_path / "shop.db"), "kinds": ("purchase", "click")})
    with Engine(tmp_path, threads=1) as engine:
        raw_tables = read(data, frozenset({"categories", "price", "brand"}), engine)
        found = rows(raw_tables.interactions, engine)
        items = rows(raw_tables.items, engine, "item_id")
    assert [(row["user_id"], row["item_id"], row["timestamp"]) for row in found] == [
        ("u1", "a", 10), ("u1", "b", 50), ("u3", "c", 60), ("u1", "c", 70),
    ]  # fmt: skip
    assert [(item["item_id"], item["title"]) for item in items] == [("a", "a"), ("b", "b"), ("c", "c")]
    with Engine(tmp_path, threads=1) as engine, pytest.raises(SourceError, match="no event of the kind rental"):
        read(data.model_copy(update={"kinds": ("rental",)}), frozenset(), engine)
