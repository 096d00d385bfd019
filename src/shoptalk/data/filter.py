"""Filters of purchases: the rules in a fixed order; each counts what it drops of the purchases left by those before."""

import itertools
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from shoptalk.data.clean import unescape
from shoptalk.data.engine import Engine
from shoptalk.data.split import digest
from shoptalk.recipe import Data

#: The rules, in their order.
RULES = ("unverified", "duplicate", "rating", "no_title", "k_core", "min_history", "min_categories", "not_drawn")
#: The rules that drop whole users and items because of their number.
_SIZE_RULES = RULES[4:7]


@dataclass(frozen=True)
class FilterResult:
    """The data after filtering.

    ``rows`` are the interactions. They have integer codes ``user`` and ``item`` in place of ids, which sort as the ids
    do and take half the time and memory; ``users`` and ``item_index`` map codes to ids. ``items`` is the catalogue: the
    items with interactions and, with ``data.unbought = "keep"``, all others with a title; its column ``bought`` tells
    them apart. ``dropped`` counts the interactions that each rule drops, ``unbought`` the items that are dropped
    because nobody bought them.
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


def filter_interactions(
    interactions: ir.Table, items: ir.Table, data: Data, engine: Engine, seed: int = 0
) -> tuple[ir.Table, ir.Table, dict[str, int]]:
    """As `filter_coded`, but returns interactions with ids as text, items, and the counts of dropped interactions."""
    result = filter_coded(interactions, items, data, engine, seed)
    return result.named(result.rows).drop("user", "item"), result.items.drop("bought"), result.dropped


def filter_coded(interactions: ir.Table, items: ir.Table, data: Data, engine: Engine, seed: int = 0) -> FilterResult:
    """Apply the filters of a recipe.

    The rules drop the following interactions:

    1. ``unverified``: those known not to be verified purchases (unknown ones are kept).
    2. ``duplicate``: all but a user's first of the same item in time (of equal timestamps, the first in the source).
    3. ``rating``: those with a rating below ``min_rating``, or without one where there is a threshold.
    4. ``no_title``: those of items without a title, or that are not in the file of items.
    5. ``k_core``: those of users with fewer than ``user_core`` or items with fewer than ``item_core`` interactions,
       repeatedly until nothing changes.
    6. ``min_history``: those of users with fewer than ``min_history`` different items.
    7. ``min_categories``: those of users whose items have fewer than ``min_categories`` different categories, where the
       last (most specific) category of each item counts. Rule 5 is not applied again after rules 6 and 7.
    8. ``not_drawn``: those of all but ``users`` users, drawn at random by the seed. With the same seed the users
       of a smaller number are among those of a larger one.

    Parameters
    ----------
    interactions, items
        The canonical tables (see ``sources``), with cleaned titles.
    seed
        Of the draw of rule 8.
    """
    count_read = engine.counts(n=interactions)["n"]
    verified = interactions.filter(interactions.verified.fill_null(True)) if data.verified else interactions
    users, item_index = (_codes(verified, name, engine) for name in ("user_id", "item_id"))
    titled = items.filter(items.title.fill_null("") != "").select("item_id", titled=True)
    item_index = engine.cache(item_index.left_join(titled, "item_id").select("item_id", "item", "titled"))
    named = verified.join(users, "user_id").join(item_index, "item_id")
    rows = engine.cache(named.drop("user_id", "item_id", "verified"))
    dropped = {"unverified": count_read - engine.counts(n=rows)["n"]}
    rows, dropped["duplicate"] = _drop_duplicates(rows, data, engine)
    low_rated = ibis.literal(False)
    if data.min_rating is not None:
        low_rated = rows.rating.isnull() | (rows.rating < data.min_rating)
    dropped |= engine.counts(
        rating=rows.count(where=low_rated), no_title=rows.count(where=~low_rated & rows.titled.isnull())
    )
    eligible = rows.filter(~low_rated & rows.titled.notnull()).drop("titled")
    filtered, dropped_by_size = _filter_by_size(eligible, item_index.join(items, "item_id"), data, engine)
    engine.drop(rows)
    filtered, dropped_by_size["not_drawn"] = _draw_users(filtered, users, data, seed, engine)
    catalogue, unbought = _catalogue(items, item_index.semi_join(filtered, "item"), data, engine)
    cleaned = _with_clean_texts(filtered, data, engine)
    return FilterResult(cleaned, users, item_index, catalogue, dropped | dropped_by_size, unbought)


def _catalogue(items: ir.Table, bought_items: ir.Table, data: Data, engine: Engine) -> tuple[ir.Table, int]:
    """The items that stay, with a column ``bought``, and the number of items with a title that are dropped."""
    bought = engine.cache(items.semi_join(bought_items, "item_id").mutate(bought=True))
    has_title = items.title.fill_null("") != ""
    if data.unbought == "keep":
        unbought = items.filter(has_title).anti_join(bought_items, "item_id").mutate(bought=False)
        return engine.cache(bought.union(unbought.select(*bought.columns))), 0
    counts = engine.counts(titled=has_title.sum(), bought=bought)  # every bought item has a title
    return bought, counts["titled"] - counts["bought"]


def _with_clean_texts(interactions: ir.Table, data: Data, engine: Engine) -> ir.Table:
    """Clean entities and white space in reviews and summaries, unless the level of cleaning is ``raw``."""
    texts = [name for name in ("review", "summary") if name in interactions.columns]
    if not texts or data.cleaning == "raw":
        return interactions
    return unescape(engine.cache(interactions), texts, engine)


def _codes(interactions: ir.Table, id_column: str, engine: Engine) -> ir.Table:
    """An integer code (column ``user`` or ``item``) for every id, in the order of the ids."""
    ids = engine.numbered(engine.cache(interactions.select(id_column).distinct().order_by(id_column)), "code")
    return ids.select(id_column, ids.code.cast("int32").name(id_column.removesuffix("_id")))


def _drop_duplicates(rows: ir.Table, data: Data, engine: Engine) -> tuple[ir.Table, int]:
    """Rule 2: the rows that stay, and how many are dropped. Few are repeated, and only those are sorted."""
    if data.duplicates != "first":
        return rows, 0
    pair = ["user", "item"]
    reviews = rows.select(*pair, "timestamp", "position")
    repeated = reviews.semi_join(reviews.group_by(pair).having(reviews.count() > 1).aggregate(), pair)
    rank = ibis.row_number().over(group_by=pair, order_by=["timestamp", "position"])
    ranked = repeated.mutate(rank=rank)
    duplicates = engine.cache(ranked.filter(ranked["rank"] > 0).select(*pair, "position"))
    count = engine.counts(n=duplicates)["n"]
    return (rows.anti_join(duplicates, [*pair, "position"]) if count else rows), count


def _filter_by_size(rows: ir.Table, items: ir.Table, data: Data, engine: Engine) -> tuple[ir.Table, dict[str, int]]:
    """Rules 5 to 7, which drop whole users and items: the rows that stay, and how many each rule drops."""
    if max(data.user_core, data.item_core, data.min_history) <= 1 and not data.min_categories:
        return engine.cache(rows), dict.fromkeys(_SIZE_RULES, 0)
    edges = engine.cache(rows.select("user", "item"))
    sizes = [engine.counts(n=edges)["n"]]
    for rule in (_core, _with_min_history, _with_min_categories):
        edges = rule(edges, items, data, engine)
        sizes.append(engine.counts(n=edges)["n"])
    user_codes, item_codes = edges.select("user").distinct(), edges.select("item").distinct()
    filtered = engine.cache(rows.semi_join(user_codes, "user").semi_join(item_codes, "item"))
    return filtered, {rule: before - after for rule, before, after in zip(_SIZE_RULES, sizes, sizes[1:], strict=False)}


def _core(edges: ir.Table, _items: ir.Table, data: Data, engine: Engine) -> ir.Table:
    """Rule 5: drop users and items with few edges until nothing changes (the k-core, Seidman 1983)."""
    cores = (("user", data.user_core), ("item", data.item_core))
    minimums = [(node, minimum) for node, minimum in cores if minimum > 1]
    unchanged = 0
    for node, minimum in itertools.cycle(minimums):
        too_few = engine.cache(edges.group_by(node).having(edges.count() < minimum).aggregate())
        if engine.counts(n=too_few)["n"]:
            edges, unchanged = engine.cache(edges.anti_join(too_few, node)), 0
        unchanged += 1
        if unchanged >= len(minimums):
            break
    return edges


def _with_min_history(edges: ir.Table, _items: ir.Table, data: Data, engine: Engine) -> ir.Table:
    """Rule 6: the edges of users with enough different items."""
    if data.min_history <= 1:
        return edges
    users = edges.group_by("user").having(edges.item.nunique() >= data.min_history).aggregate()
    return engine.cache(edges.semi_join(users, "user"))


def _with_min_categories(edges: ir.Table, items: ir.Table, data: Data, engine: Engine) -> ir.Table:
    """Rule 7: the edges of users with enough different categories."""
    if data.min_categories <= 0:
        return edges
    leaf_categories = items.select("item", leaf=items.categories[items.categories.length() - 1])
    with_leaf = edges.join(leaf_categories, "item")
    users = with_leaf.group_by("user").having(with_leaf.leaf.nunique() >= data.min_categories).aggregate()
    return engine.cache(edges.semi_join(users, "user"))


def _draw_users(rows: ir.Table, users: ir.Table, data: Data, seed: int, engine: Engine) -> tuple[ir.Table, int]:
    """Rule 8: the rows of the users whose ids have the smallest MD5 with the seed, and how many rows are dropped.

    The MD5 is the same on every engine. It differs from that by which a split orders the users.
    """
    if data.users is None:
        return rows, 0
    eligible = users.semi_join(rows.select("user").distinct(), "user")
    order = [digest(seed, ibis.literal("draw"), eligible.user_id), eligible.user_id]
    drawn = engine.cache(eligible.order_by(order).limit(data.users).select("user"))
    remaining = engine.cache(rows.semi_join(drawn, "user"))
    before, after = (engine.counts(n=table)["n"] for table in (rows, remaining))
    engine.drop(rows)
    return remaining, before - after
