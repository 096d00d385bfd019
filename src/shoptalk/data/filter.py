"""Which purchases are kept: every rule in one fixed order, each counted among what the rules before it left."""

import itertools
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from shoptalk.data.clean import unescape
from shoptalk.data.engine import Engine
from shoptalk.recipe import Data

#: The rules, in their order.
RULES = ("unverified", "duplicate", "rating", "no_title", "k_core", "min_history", "min_categories")


@dataclass(frozen=True)
class FilterResult:
    """What the filters leave.

    ``rows`` has whole numbers ``user`` and ``item`` in place of ids, which cost half the time and memory of text, and
    sort as the ids do; ``users`` and ``item_index`` tell which is which. ``items`` are the catalogue: what
    somebody bought and, where ``data.unbought`` keeps them, every other item with a title; ``bought`` tells which.
    ``dropped`` counts the interactions that each rule took, ``unbought`` the items that leave as nobody bought them.
    """

    rows: ir.Table
    users: ir.Table
    item_index: ir.Table
    items: ir.Table
    dropped: dict[str, int]
    unbought: int

    def named(self, rows: ir.Table) -> ir.Table:
        """Rows with ``user_id`` and ``item_id`` beside ``user`` and ``item``."""
        return rows.join(self.users, "user").join(self.item_index.select("item", "item_id"), "item")


def keep(
    interactions: ir.Table, items: ir.Table, data: Data, engine: Engine
) -> tuple[ir.Table, ir.Table, dict[str, int]]:
    """As `keep_coded`, with ids as text: interactions, items, dropped."""
    kept = keep_coded(interactions, items, data, engine)
    return kept.named(kept.rows).drop("user", "item"), kept.items.drop("bought"), kept.dropped


def keep_coded(interactions: ir.Table, items: ir.Table, data: Data, engine: Engine) -> FilterResult:
    """Apply the filters of a recipe.

    1. ``unverified``: known not to be a verified purchase (where the source does not say, it is kept).
    2. ``duplicate``: not the user's first review of the item in time (of one moment: in the source).
    3. ``rating``: below ``min_rating``, or unknown where there is a threshold.
    4. ``no_title``: of an item without a title, or without a line in the file of items.
    5. ``k_core``: of users with fewer than ``user_core`` or items with fewer than ``item_core`` interactions, again and
       again until nothing changes.
    6. ``min_history``: of users with fewer than ``min_history`` different items.
    7. ``min_categories``: of users whose items have fewer than ``min_categories`` different categories, the last (most
       special) category of each item counted. Rules 6 and 7 do not start rule 5 again.

    Parameters
    ----------
    interactions, items
        The canonical tables (see ``sources``), titles already cleaned.
    """
    read = engine.counts(n=interactions)["n"]
    verified = interactions.filter(interactions.verified.fill_null(True)) if data.verified else interactions
    users, item_index = (_codes(verified, side, engine) for side in ("user_id", "item_id"))
    titled = items.filter(items.title.fill_null("") != "").select("item_id", titled=True)
    item_index = engine.cache(item_index.left_join(titled, "item_id").select("item_id", "item", "titled"))
    named = verified.join(users, "user_id").join(item_index, "item_id")
    rows = engine.cache(named.drop("user_id", "item_id", "verified"))
    dropped = {"unverified": read - engine.counts(n=rows)["n"]}
    rows, dropped["duplicate"] = _first_only(rows, data, engine)
    low = ibis.literal(False)
    if data.min_rating is not None:
        low = rows.rating.isnull() | (rows.rating < data.min_rating)
    dropped |= engine.counts(rating=rows.filter(low), no_title=rows.filter(~low & rows.titled.isnull()))
    left = rows.filter(~low & rows.titled.notnull()).drop("titled")
    left, later = _by_size(left, item_index.join(items, "item_id"), data, engine)
    engine.drop(rows)
    catalogue, unbought = _catalogue(items, item_index.semi_join(left, "item"), data, engine)
    return FilterResult(_with_clean_texts(left, data, engine), users, item_index, catalogue, dropped | later, unbought)


def _catalogue(items: ir.Table, sold: ir.Table, data: Data, engine: Engine) -> tuple[ir.Table, int]:
    """The items that are kept, with ``bought``; how many with a title are not."""
    bought = engine.cache(items.semi_join(sold, "item_id").mutate(bought=True))
    titled = items.filter(items.title.fill_null("") != "")
    others = titled.anti_join(sold, "item_id").mutate(bought=False)
    if data.unbought == "keep":
        return engine.cache(bought.union(others.select(*bought.columns))), 0
    return bought, engine.counts(n=others)["n"]


def _with_clean_texts(interactions: ir.Table, data: Data, engine: Engine) -> ir.Table:
    """What users wrote goes through the cleaning of entities and spaces, at every level but ``raw``."""
    texts = [name for name in ("review", "summary") if name in interactions.columns]
    if not texts or data.cleaning == "raw":
        return interactions
    return unescape(engine.cache(interactions), texts, engine)


def _codes(interactions: ir.Table, side: str, engine: Engine) -> ir.Table:
    """A whole number (``user`` or ``item``) for every id, in the order of the ids."""
    ids = engine.numbered(engine.cache(interactions.select(side).distinct().order_by(side)), "code")
    return ids.select(side, ids.code.cast("int32").name(side.removesuffix("_id")))


def _first_only(rows: ir.Table, data: Data, engine: Engine) -> tuple[ir.Table, int]:
    """Rule 2; few reviews are repeated, so only those that are get sorted."""
    if data.duplicates != "first":
        return rows, 0
    pair = ["user", "item"]
    again = rows.select(*pair, "timestamp", "position")
    again = again.semi_join(again.group_by(pair).having(again.count() > 1).aggregate(), pair)
    index = ibis.row_number().over(group_by=pair, order_by=["timestamp", "position"])
    again = again.mutate(place=index)
    again = engine.cache(again.filter(again.place > 0).select(*pair, "position"))
    repeated = engine.counts(n=again)["n"]
    return (rows.anti_join(again, [*pair, "position"]) if repeated else rows), repeated


def _by_size(left: ir.Table, item_index: ir.Table, data: Data, engine: Engine) -> tuple[ir.Table, dict[str, int]]:
    """Rules 5 to 7; they take out whole users and items."""
    if max(data.user_core, data.item_core, data.min_history) <= 1 and not data.min_categories:
        return engine.cache(left), dict.fromkeys(RULES[4:], 0)
    edges = engine.cache(left.select("user", "item"))
    sizes = [engine.counts(n=edges)["n"]]
    for rule in (_core, _with_history, _with_categories):
        edges = rule(edges, item_index, data, engine)
        sizes.append(engine.counts(n=edges)["n"])
    users, items = edges.select("user").distinct(), edges.select("item").distinct()
    left = engine.cache(left.semi_join(users, "user").semi_join(items, "item"))
    return left, {rule: before - after for rule, before, after in zip(RULES[4:], sizes, sizes[1:], strict=False)}


def _core(edges: ir.Table, _item_index: ir.Table, data: Data, engine: Engine) -> ir.Table:
    """Drop thin users and items until nothing changes: the k-core of the graph of purchases (Seidman 1983)."""
    sides = [(side, least) for side, least in (("user", data.user_core), ("item", data.item_core)) if least > 1]
    unchanged = 0
    for side, least in itertools.cycle(sides):
        thin = engine.cache(edges.group_by(side).having(edges.count() < least).aggregate())
        if engine.counts(n=thin)["n"]:
            edges, unchanged = engine.cache(edges.anti_join(thin, side)), 0
        unchanged += 1
        if unchanged >= len(sides):
            break
    return edges


def _with_history(edges: ir.Table, _item_index: ir.Table, data: Data, engine: Engine) -> ir.Table:
    if data.min_history <= 1:
        return edges
    long = edges.group_by("user").having(edges.item.nunique() >= data.min_history).aggregate()
    return engine.cache(edges.semi_join(long, "user"))


def _with_categories(edges: ir.Table, item_index: ir.Table, data: Data, engine: Engine) -> ir.Table:
    if data.min_categories <= 0:
        return edges
    leaf = item_index.select("item", leaf=item_index.categories[item_index.categories.length() - 1])
    known = edges.join(leaf, "item")
    wide = known.group_by("user").having(known.leaf.nunique() >= data.min_categories).aggregate()
    return engine.cache(edges.semi_join(wide, "user"))
