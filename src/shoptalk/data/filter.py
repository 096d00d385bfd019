"""Which purchases are kept: every rule in one fixed order, each counted among what the rules before it left."""

import ibis
import ibis.expr.types as ir

from shoptalk.data.clean import unescape
from shoptalk.data.engine import Engine
from shoptalk.recipe import Data

#: The rules, in their order.
RULES = ("unverified", "duplicate", "rating", "no_title", "k_core", "min_history", "min_categories")


def keep(
    interactions: ir.Table, items: ir.Table, data: Data, engine: Engine
) -> tuple[ir.Table, ir.Table, dict[str, int]]:
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

    Returns
    -------
    interactions, items, dropped
        What remains; only items that somebody bought, so that options are what was really sold; and the number of
        interactions that each rule dropped.
    """
    users, things = (_codes(interactions, side, engine) for side in ("user_id", "item_id"))
    titled = items.filter(items.title.fill_null("") != "").select("item_id", titled=True)
    things = engine.cache(things.left_join(titled, "item_id").select("item_id", "item", "titled"))
    first = engine.cache(_ruled(interactions.join(users, "user_id").join(things, "item_id"), data))
    dropped = engine.counts(**{rule: (first.rule == place).sum() for place, rule in enumerate(RULES[:4])})
    left = first.filter(first.rule.isnull())
    left, later = _by_size(left, things.join(items, "item_id"), data, engine)
    named = left.join(users, "user").join(things, "item").select(*interactions.columns)
    kept = _with_clean_texts(named, data, engine)
    sold = things.semi_join(left, "item")
    return kept, engine.cache(items.semi_join(sold, "item_id")), dropped | later


def _with_clean_texts(interactions: ir.Table, data: Data, engine: Engine) -> ir.Table:
    """What users wrote goes through the cleaning of entities and spaces, at every level but ``raw``."""
    texts = [name for name in ("review", "summary") if name in interactions.columns]
    if not texts or data.cleaning == "raw":
        return interactions
    return unescape(engine.cache(interactions), texts, engine)


def _codes(interactions: ir.Table, side: str, engine: Engine) -> ir.Table:
    """A whole number (``user`` or ``item``) for every id; half the time and memory of text in all that follows."""
    ids = engine.numbered(engine.cache(interactions.select(side).distinct()), "code")
    return ids.select(side, ids.code.cast("int32").name(side.removesuffix("_id")))


def _ruled(rows: ir.Table, data: Data) -> ir.Table:
    """Codes for ids, and ``rule``: the place in ``RULES`` of the first of rules 1 to 4 that drops the row, or null."""
    verified = rows.verified.fill_null(True) if data.verified else ibis.literal(True)
    branches = [(~verified, 0)]
    if data.duplicates == "first":
        window = ibis.window(group_by=["user", "item", verified], order_by=["timestamp", "position"])
        branches.append((ibis.row_number().over(window) > 0, 1))
    if data.min_rating is not None:
        branches.append((rows.rating.isnull() | (rows.rating < data.min_rating), 2))
    rule = ibis.cases(*branches, (rows.titled.isnull(), 3), else_=ibis.null("int8"))
    return rows.mutate(rule=rule.cast("int8")).drop("user_id", "item_id", "titled")


def _by_size(left: ir.Table, things: ir.Table, data: Data, engine: Engine) -> tuple[ir.Table, dict[str, int]]:
    """Rules 5 to 7; they take out whole users and items."""
    if max(data.user_core, data.item_core, data.min_history) <= 1 and not data.min_categories:
        return left, dict.fromkeys(RULES[4:], 0)
    edges = engine.cache(left.select("user", "item"))
    sizes = [engine.counts(n=edges)["n"]]
    for rule in (_core, _with_history, _with_categories):
        edges = rule(edges, things, data, engine)
        sizes.append(engine.counts(n=edges)["n"])
    users, items = edges.select("user").distinct(), edges.select("item").distinct()
    left = engine.cache(left.semi_join(users, "user").semi_join(items, "item"))
    return left, {rule: before - after for rule, before, after in zip(RULES[4:], sizes, sizes[1:], strict=False)}


def _core(edges: ir.Table, _things: ir.Table, data: Data, engine: Engine) -> ir.Table:
    """Drop thin users and items until nothing changes: the k-core of the graph of purchases (Seidman 1983)."""
    if max(data.user_core, data.item_core) <= 1:
        return edges
    size = engine.counts(n=edges)["n"]
    while True:
        for side, least in (("user", data.user_core), ("item", data.item_core)):
            if least > 1:
                thick = edges.group_by(side).having(edges.count() >= least).aggregate()
                edges = edges.semi_join(thick, side)
        edges = engine.cache(edges)
        before, size = size, engine.counts(n=edges)["n"]
        if size == before:
            return edges


def _with_history(edges: ir.Table, _things: ir.Table, data: Data, engine: Engine) -> ir.Table:
    if data.min_history <= 1:
        return edges
    long = edges.group_by("user").having(edges.item.nunique() >= data.min_history).aggregate()
    return engine.cache(edges.semi_join(long, "user"))


def _with_categories(edges: ir.Table, things: ir.Table, data: Data, engine: Engine) -> ir.Table:
    if data.min_categories <= 0:
        return edges
    leaf = things.select("item", leaf=things.categories[things.categories.length() - 1])
    known = edges.join(leaf, "item")
    wide = known.group_by("user").having(known.leaf.nunique() >= data.min_categories).aggregate()
    return engine.cache(edges.semi_join(wide, "user"))
