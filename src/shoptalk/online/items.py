"""Products that are added, changed, hidden or deleted while serving."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.dialects import postgresql, sqlite

from shoptalk.errors import RecordError
from shoptalk.online.database import ITEMS_LOCK, Database
from shoptalk.online.records import check_id, check_integer, check_number, check_text, check_texts, now
from shoptalk.online.tables import ITEMS
from shoptalk.schema import Item

#: What `patch_item` can change.
CHANGEABLE = ("title", "brand", "categories", "description", "features", "price", "stock", "hidden")


@dataclass(frozen=True, slots=True)
class ShopItem:
    """A product as the shop describes it.

    Attributes
    ----------
    item
        The product.
    stock
        How many there are; None if that is not counted.
    hidden
        Whether it is not to be recommended for now.
    """

    item: Item
    stock: int | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class StoredItem:
    """A product as it is stored.

    Attributes
    ----------
    item, stock, hidden
        See `ShopItem`.
    deleted
        Whether it was deleted; its row remains, so that every process learns of it.
    added, changed
        When it was added and last changed, in seconds since 1970.
    revision
        A number that grows with every change of any product.
    """

    item: Item
    stock: int | None
    hidden: bool
    deleted: bool
    added: float
    changed: float
    revision: int


@dataclass(frozen=True, slots=True)
class Changes:
    """The products that changed since a revision, and the newest revision: the one to ask from next time."""

    revision: int
    items: tuple[StoredItem, ...]


def put_items(database: Database, items: Sequence[ShopItem]) -> int:
    """Add products, or replace those with the same id, in one transaction; returns the new revision.

    Raises
    ------
    RecordError
        If a value cannot be stored.
    """
    time = now()
    rows = {one.item.item_id: _row(one, time) for one in items}
    with database.write() as connection:
        revision = _next_revision(database, connection)
        if not rows:
            return revision - 1
        dialect = sqlite if database.is_sqlite else postgresql
        statement = dialect.insert(ITEMS)
        kept = {"item_id", "added"}
        update = {column.name: statement.excluded[column.name] for column in ITEMS.c if column.name not in kept}
        connection.execute(
            statement.on_conflict_do_update(index_elements=["item_id"], set_=update),
            [{**rows[item_id], "revision": revision} for item_id in sorted(rows)],
        )
    return revision


def patch_item(database: Database, item_id: str, changes: Mapping[str, Any]) -> StoredItem | None:
    """Change some values of a product; None if there is no such product.

    Raises
    ------
    RecordError
        If a value cannot be stored, or if a name is not among `CHANGEABLE`.
    """
    if unknown := sorted(changes.keys() - set(CHANGEABLE)):
        raise RecordError(f"{unknown[0]} cannot be changed", hint=f"one of {', '.join(CHANGEABLE)}")
    values = {name: _checked(name, value) for name, value in changes.items()}
    return _change(database, item_id, values)


def delete_item(database: Database, item_id: str) -> bool:
    """Delete a product; False if there is none. Its row remains, marked as deleted."""
    return _change(database, item_id, {"deleted": True}) is not None


def get_item(database: Database, item_id: str) -> StoredItem | None:
    """A product, deleted ones included; None if it was never stored."""
    with database.read() as connection:
        row = connection.execute(select(ITEMS).where(ITEMS.c.item_id == item_id)).one_or_none()
    return None if row is None else _item(row)


def changes_since(database: Database, revision: int = 0) -> Changes:
    """The products that changed after a revision, deleted ones included, in the order of their changes.

    No change is missed: revisions are in the order of commits, also with several writers.
    """
    with database.read() as connection:
        rows = connection.execute(
            select(ITEMS).where(ITEMS.c.revision > revision).order_by(ITEMS.c.revision, ITEMS.c.item_id)
        ).all()
    items = tuple(map(_item, rows))
    return Changes(items[-1].revision if items else revision, items)


def _change(database: Database, item_id: str, values: Mapping[str, Any]) -> StoredItem | None:
    """Change columns of a product that is not deleted."""
    with database.write() as connection:
        revision = _next_revision(database, connection)
        statement = (
            ITEMS.update()
            .where(ITEMS.c.item_id == item_id, ITEMS.c.deleted.is_(False))
            .values(**values, changed=now(), revision=revision)
            .returning(ITEMS)
        )
        row = connection.execute(statement).one_or_none()
    return None if row is None else _item(row)


def _next_revision(database: Database, connection: Connection) -> int:
    """The next revision. The lock is held until the commit, so that revisions are in the order of commits."""
    database.lock(connection, ITEMS_LOCK)
    return int(connection.execute(select(func.coalesce(func.max(ITEMS.c.revision), 0))).scalar_one()) + 1


def _row(one: ShopItem, time: float) -> dict[str, Any]:
    """The columns of a product."""
    values = {name: getattr(one.item, name) for name in CHANGEABLE if hasattr(one.item, name)}
    values |= {"stock": one.stock, "hidden": one.hidden}
    checked = {name: _checked(name, value) for name, value in values.items()}
    return {
        "item_id": check_id(one.item.item_id, "item_id"),
        **checked,
        "deleted": False,
        "added": time,
        "changed": time,
    }


def _checked(name: str, value: Any) -> Any:
    """A value of a product, as it is stored."""
    if name in ("categories", "features"):
        return check_texts(value, name)
    if name == "price":
        return None if value is None else check_number(value, name, least=0)
    if name == "stock":
        return None if value is None else check_integer(value, name)
    if name == "hidden":
        if not isinstance(value, bool):
            raise RecordError("hidden is neither true nor false")
        return value
    return check_id(value, name) if name == "title" else check_text(value, name)


def _item(row: Row[Any]) -> StoredItem:
    """A product from its row."""
    item = Item(
        row.item_id, row.title, row.brand, tuple(row.categories), row.description, tuple(row.features), row.price
    )
    return StoredItem(item, row.stock, row.hidden, row.deleted, row.added, row.changed, row.revision)
