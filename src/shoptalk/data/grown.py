"""The data of a run with what a database has besides: raw tables from which `prepare` makes a new dataset.

Purchases of the run come from the files of its recipe, where they are still there, because these also have what the
filters dropped: a user with too few purchases may have enough now. Otherwise they are those of its dataset.
"""

import hmac
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis
import ibis.expr.types as ir

from shoptalk.data import tables
from shoptalk.data.databases import SourceDatabase, open_source_database
from shoptalk.data.engine import Engine
from shoptalk.data.sources import database as database_source
from shoptalk.data.sources import events
from shoptalk.data.sources.registry import read
from shoptalk.errors import ShoptalkError, UsageError
from shoptalk.files import replacing
from shoptalk.recipe import Recipe, parse_recipe, resolve

#: Files in the folder of raw tables.
INTERACTIONS, ITEMS, NEW = "interactions.parquet", "items.parquet", "new.parquet"
_KEY = ["user_id", "item_id", "timestamp"]
_WORK = ".work"


@dataclass(frozen=True, slots=True)
class GrownData:
    """Raw tables in a folder, and what is new in them.

    Attributes
    ----------
    recipe
        The recipe that reads them.
    database
        The address of the database, without a password.
    purchases, users, items
        Numbers of purchases of the database that the run does not have, of their users, and of products that the run
        does not have.
    erased
        Number of purchases that were left out because their user was erased from the database.
    warnings
        What the user should know.
    """

    recipe: Recipe
    database: str
    purchases: int
    users: int
    items: int
    erased: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Raw:
    """Interactions and items with the columns of raw tables."""

    interactions: ir.Table
    items: ir.Table


def grow(recipe: Recipe, dataset: Path, url: str, kinds: tuple[str, ...], out: Path) -> GrownData:
    """Write the purchases and products of a run together with those of a database.

    A purchase is known if the run has one of the same user, product and time. Products of the database replace those of
    the run.

    Parameters
    ----------
    recipe, dataset
        Of the run.
    url
        The database of ``shoptalk serve``, or, for a run whose ``data.source`` is `database`, one with its tables.
    kinds
        The kinds of events that are purchases.
    out
        New folder for the tables.

    Raises
    ------
    ShoptalkError
        If the database or the data of the run cannot be read.
    """
    with replacing(out) as folder:
        (folder / _WORK).mkdir(parents=True)
        with Engine(folder / _WORK) as engine, open_source_database(url) as database:
            before = _of_dataset(dataset, engine)
            base, warnings = _of_run(recipe, before, engine)
            fresh = _of_database(recipe, database, url, kinds, engine)
            kept = _without_erased(base.interactions, database, engine)
            erased = engine.counts(n=base.interactions)["n"] - engine.counts(n=kept)["n"]
            unknown = engine.cache(fresh.interactions.anti_join(kept, _KEY))
            interactions = _interactions(kept, unknown, recipe, engine)
            items = _items(base.items, fresh.items, engine)
            new = engine.cache(unknown.anti_join(before.interactions, _KEY).select(*_KEY))
            counts = engine.counts(
                purchases=new,
                users=new.user_id.nunique(),
                items=fresh.items.anti_join(base.items, "item_id").anti_join(before.items, "item_id"),
            )
            engine.write_parquet(interactions, folder / INTERACTIONS, ["user_id", "timestamp", "position"])
            engine.write_parquet(items, folder / ITEMS, ["item_id"])
            engine.write_parquet(new, folder / NEW, _KEY)
        shutil.rmtree(folder / _WORK)
    return GrownData(
        recipe=_recipe_of(recipe, out),
        database=database.name,
        purchases=counts["purchases"],
        users=counts["users"],
        items=counts["items"],
        erased=erased,
        warnings=warnings,
    )


def new_cases(folder: Path, cases: Sequence[tuple[str, str, float]]) -> list[bool]:
    """For each target, given by user, product and time, whether it is new in the tables of a folder."""
    if not cases:
        return []
    users, items, times = (list(column) for column in zip(*cases, strict=True))
    with tempfile.TemporaryDirectory(prefix="shoptalk-") as work, Engine(Path(work)) as engine:
        asked = engine.table_of(
            {"user_id": users, "item_id": items, "timestamp": times, "row": list(range(len(cases)))}
        )
        known = asked.semi_join(engine.read_parquet(folder / NEW), _KEY)
        found = set(engine.to_pyarrow(known.select("row"))["row"].to_pylist())
    return [row in found for row in range(len(cases))]


def _of_dataset(folder: Path, engine: Engine) -> _Raw:
    """The tables of a dataset, with the titles of its source."""
    interactions = engine.read_parquet(folder / tables.INTERACTIONS).mutate(verified=ibis.null("boolean"))
    items = engine.read_parquet(folder / tables.ITEMS)
    items = items.mutate(title=items[tables.RAW_TITLE]).drop(tables.RAW_TITLE)
    return _Raw(interactions, items)


def _of_run(recipe: Recipe, before: _Raw, engine: Engine) -> tuple[_Raw, tuple[str, ...]]:
    """The raw tables of a run: those of its files, or else those of its dataset."""
    data = recipe.data
    if data.source in {"database", "events"}:  # its database may have changed: what it was trained on is the dataset
        return before, ()
    missing = next((path for path in (data.purchases, data.items) if path and not resolve(path).is_file()), None)
    if missing is not None:
        return before, (f"{resolve(missing)} is gone: users and products that the filters dropped cannot come back",)
    raw = read(data, recipe.kept_columns, engine)
    return _Raw(raw.interactions, _titled(raw.items)), ()


def _titled(items: ir.Table) -> ir.Table:
    """The products, with the title that stands in where there is none."""
    if "fallback" not in items.columns:
        return items
    return items.mutate(title=items.title.coalesce(items.fallback)).drop("fallback")


def _of_database(recipe: Recipe, database: SourceDatabase, url: str, kinds: tuple[str, ...], engine: Engine) -> _Raw:
    """The purchases and products of the database."""
    if events.is_event_store(database):
        items = _titled(events.read_items(database, recipe.kept_columns, engine))
        return _Raw(events.read_events(database, kinds, engine), items.filter(items.title.notnull()))
    if recipe.data.source != "database":
        raise UsageError(
            "this is no database of shoptalk serve, and the recipe of the run names no tables",
            where=database.name,
            hint='give the database that shoptalk serve writes, or train a run with data.source = "database"',
        )
    raw = database_source.read(recipe.data.model_copy(update={"url": url}), recipe.kept_columns, engine)
    return _Raw(raw.interactions, _titled(raw.items))


def _without_erased(interactions: ir.Table, database: SourceDatabase, engine: Engine) -> ir.Table:
    """The purchases without those that users made before their data were erased from the database of the service."""
    if not {"erased", "settings"} <= set(database.tables()) or not events.is_event_store(database):
        return engine.cache(interactions)
    erased = _all_rows(database, "erased", engine)
    keys = [row["value"] for row in _all_rows(database, "settings", engine) if row["name"] == "erasure_key"]
    if not erased or not keys:
        return engine.cache(interactions)
    times = {row["user_hash"]: float(row["erased"]) for row in erased}
    key = bytes.fromhex(keys[0])
    users = engine.to_pyarrow(interactions.select("user_id").distinct())["user_id"].to_pylist()
    hashes = {user: hmac.new(key, user.encode(), "sha256").hexdigest() for user in users}
    gone = {user: times[found] for user, found in hashes.items() if found in times}
    if not gone:
        return engine.cache(interactions)
    until = engine.table_of({"user_id": list(gone), "until": list(gone.values())})
    joined = interactions.left_join(until, "user_id")
    kept = joined.filter(joined.until.isnull() | (joined.timestamp > joined.until))
    return engine.cache(kept.select(*interactions.columns))


def _all_rows(database: SourceDatabase, name: str, engine: Engine) -> list[dict[str, str]]:
    """The rows of a small table."""
    return list(engine.to_pyarrow(engine.store(*database.batches(database.table(name)))).to_pylist())


def _interactions(base: ir.Table, fresh: ir.Table, recipe: Recipe, engine: Engine) -> ir.Table:
    """All purchases; low ratings of the run are dropped here, because events of the service have no rating."""
    if recipe.data.min_rating is not None:
        base = base.filter(base.rating >= recipe.data.min_rating)
        fresh = fresh.filter(fresh.rating.isnull() | (fresh.rating >= recipe.data.min_rating))
    columns = list(dict.fromkeys([*_KEY, "rating", "verified", *base.columns, *fresh.columns]))
    columns = [name for name in columns if name != "position"]
    parts = [engine.cache(_with_columns(part, columns, origin)) for origin, part in enumerate((base, fresh))]
    together = parts[0].union(parts[1])
    place = ibis.row_number().over(order_by=[together.timestamp, together.origin, together.place, together.user_id])
    return engine.cache(together.mutate(position=place).drop("origin", "place"))


_TYPES = {"rating": "float64", "verified": "boolean"}


def _with_columns(part: ir.Table, columns: Sequence[str], origin: int) -> ir.Table:
    """The columns in one order, null where the part lacks them; ``place`` is its own order."""
    kinds = {name: _TYPES.get(name, "float64" if name == "timestamp" else "string") for name in columns}
    values = {
        name: part[name].cast(kinds[name]) if name in part.columns else ibis.null(kinds[name]) for name in columns
    }
    return part.select(**values, origin=ibis.literal(origin), place=part["position"].cast("int64"))


def _items(base: ir.Table, fresh: ir.Table, engine: Engine) -> ir.Table:
    """All products; those of the database in place of those of the run."""
    columns = [name for name in base.columns if name != "position"]
    lacking = [name for name in columns if name not in fresh.columns]
    kinds = base.schema()
    values = {name: ibis.null(kinds[name]) if name in lacking else fresh[name].cast(kinds[name]) for name in columns}
    fresh_rows = engine.cache(fresh.select(**values))
    old = engine.cache(base.anti_join(fresh_rows, "item_id").select(*columns))
    return engine.cache(fresh_rows.union(old))


def _recipe_of(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe of a run, reading the tables of a folder."""
    content = recipe.model_dump(exclude_none=True)
    for name in ("reviews", "url", "min_rating", "kinds"):
        content["data"].pop(name, None)
    paths = {"interactions": str(folder.resolve() / INTERACTIONS), "items": str(folder.resolve() / ITEMS)}
    content["data"] |= {**paths, "source": "table", "columns": {}, "time_format": "seconds"}
    try:
        return parse_recipe(content)
    except ShoptalkError as error:
        raise UsageError(
            f"the recipe of the run cannot be used again: {error.message}", hint="train a new run"
        ) from error
