"""Products that are added and changed while serving."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from shoptalk.errors import RecordError
from shoptalk.online.database import Database, open_database
from shoptalk.online.items import ShopItem, changes_since, delete_item, get_item, patch_item, put_items
from shoptalk.schema import Item


def product(name: str, **values: object) -> ShopItem:
    return ShopItem(Item(name, f"title of {name}", "brand", ("a", "b"), "text", ("soft",), 9.5), **values)  # type: ignore[arg-type]


def test_products_are_put_and_read(database: Database) -> None:
    put_items(database, [product("p", stock=3), product("q", hidden=True)])
    stored = get_item(database, "p")
    assert stored is not None
    assert (stored.item, stored.stock, stored.hidden, stored.deleted) == (product("p").item, 3, False, False)
    assert get_item(database, "absent") is None


def test_changes_since_a_revision(database: Database) -> None:
    put_items(database, [product("p"), product("q")])
    first = changes_since(database)
    assert [one.item.item_id for one in first.items] == ["p", "q"]
    assert changes_since(database, first.revision).items == ()
    patched = patch_item(database, "q", {"price": None, "stock": 0})
    assert patched is not None
    assert (patched.item.price, patched.stock, patched.item.title) == (None, 0, "title of q")
    assert delete_item(database, "p")
    second = changes_since(database, first.revision)
    assert [(one.item.item_id, one.deleted) for one in second.items] == [("q", False), ("p", True)]
    assert second.revision > first.revision
    assert not delete_item(database, "p")
    assert patch_item(database, "p", {"stock": 1}) is None
    put_items(database, [product("p")])  # listed again
    (again,) = changes_since(database, second.revision).items
    assert (again.item.item_id, again.deleted) == ("p", False)
    assert again.added < again.changed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"item_id": "x"}, "cannot be changed"),
        ({"title": ""}, "empty"),
        ({"price": -1}, "at least 0"),
        ({"stock": 2.5}, "whole number"),
        ({"stock": 2**31}, "whole number"),
        ({"hidden": 1}, "neither"),
        ({"categories": "one"}, "list"),
        ({"description": "\0"}, "character"),
    ],
)
def test_values_that_cannot_be_stored(database: Database, change: dict[str, object], says: str) -> None:
    put_items(database, [product("p")])
    with pytest.raises(RecordError, match=says):
        patch_item(database, "p", change)
    assert changes_since(database).items[0].item == product("p").item


def test_a_reader_of_changes_misses_none_of_several_writers(url: str) -> None:
    database = open_database(url)
    finished = []

    def write(writer: int) -> None:
        for number in range(15):
            put_items(database, [product(f"{writer}-{number}")])
        finished.append(writer)

    seen, revision = [], 0
    with ThreadPoolExecutor(4) as pool:
        for writer in range(4):
            pool.submit(write, writer)
        last = False
        while not last:
            last = len(finished) == 4
            changes = changes_since(database, revision)
            revision = changes.revision
            seen += [one.item.item_id for one in changes.items]
    database.close()
    assert sorted(seen) == sorted(f"{writer}-{number}" for writer in range(4) for number in range(15))
