"""The database of ``shoptalk serve``: purchases out of its events, and the products that were added to it.

``data.kinds`` are the kinds of events that count, purchases by default. Events of equal times are in the order in which
the service received them. Products that were never added to the database, because the run that was served knows
them, have their id as title; ``shoptalk refresh`` takes these from the run.
"""

import ibis
import ibis.expr.types as ir

from shoptalk.data.databases import SourceDatabase, open_source_database
from shoptalk.data.engine import Engine
from shoptalk.data.sources import amazon, checks, table
from shoptalk.data.sources.raw_tables import RawTables
from shoptalk.errors import SourceError
from shoptalk.recipe import Data

#: Tables of the database, and the one by which it is recognised.
EVENTS, ITEMS, VERSION = "events", "items", "shoptalk_version"
_TEXTS, _LISTS = ("title", "brand", "description"), ("categories", "features")


def read(data: Data, fields: frozenset[str], engine: Engine) -> RawTables:
    """Read purchases and items.

    Raises
    ------
    SourceError
        If it cannot be opened, is no database of the service, or has no event of these kinds.
    """
    assert data.url is not None  # as the section was checked
    with open_source_database(data.url) as database:
        interactions = read_events(database, data.kinds, engine)
        counts = {"reviews": engine.counts(n=interactions)["n"], "items": 0, "bad_lines": 0}
        if not counts["reviews"]:
            raise SourceError(f"there is no event of the kind {' or '.join(data.kinds)}", where=database.name)
        items = read_items(database, fields, engine)
        counts["items"] = engine.counts(n=items)["n"]
    known = amazon.items_from_ids(interactions, engine).anti_join(items, "item_id")
    others = {name: ibis.null(kind) for name, kind in items.schema().items() if name not in known.columns}
    every = engine.cache(items.union(known.mutate(**others).select(*items.columns)))
    label = database.label(EVENTS)
    return RawTables(interactions, every, counts, (), (label, database.label(ITEMS)))


def is_event_store(database: SourceDatabase) -> bool:
    """Whether it is a database of ``shoptalk serve``."""
    return {EVENTS, ITEMS, VERSION} <= set(database.tables())


def read_events(database: SourceDatabase, kinds: tuple[str, ...], engine: Engine) -> ir.Table:
    """The events of some kinds, as interactions.

    Raises
    ------
    SourceError
        If it is no database of the service.
    """
    _check(database)
    events = database.table(EVENTS)
    chosen = events.filter(events.kind.isin(kinds))
    stored = engine.store(*database.batches(chosen.select("user_id", "item_id", "timestamp", "received", "event_id")))
    seconds = {name: stored[name].cast("float64") for name in ("timestamp", "received")}
    ordered = engine.cache(stored.mutate(**seconds).order_by(["timestamp", "received", "event_id"]))
    engine.drop(stored)
    numbered = engine.numbered(ordered, "position")
    return engine.cache(
        numbered.select(
            "user_id",
            "item_id",
            "timestamp",
            rating=ibis.null("float64"),
            verified=ibis.null("boolean"),
            position="position",
        )
    )


def read_items(database: SourceDatabase, fields: frozenset[str], engine: Engine) -> ir.Table:
    """The products that were added to the database. Hidden and deleted ones are among them, as histories have them."""
    _check(database)
    source = database.table(ITEMS)
    wanted = [name for name in ("item_id", *_TEXTS, *_LISTS, "price") if name in source.columns]
    stored = engine.store(*database.batches(source.select(*wanted)))
    raw = table.with_lists(
        engine.cache(stored.order_by("item_id")), [name for name in _LISTS if name in wanted], engine
    )
    texts = {name: checks.filled(raw[name]) for name in ("brand", "description")}
    selected = {name: texts.get(name, raw[name]) for name in fields if name in raw.columns and name != "price"}
    selected |= {"price": raw.price.cast("float64")} if "price" in fields else {}
    fallback = checks.fallback(texts["brand"], raw.categories, raw.features, texts["description"])
    items = raw.select("item_id", title=checks.filled(raw.title), fallback=fallback, **selected)
    return engine.cache(items)


def _check(database: SourceDatabase) -> None:
    if not is_event_store(database):
        raise SourceError(
            "this is no database of shoptalk serve",
            where=database.name,
            hint='for other tables: data.source = "database"',
        )
