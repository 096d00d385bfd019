"""What is learned from and what is predicted: every purchase gets its place and its part.

Parts: ``train`` (may be learned from), ``validation`` and ``test`` (the truth of one case of that user), ``context``
(only ever an input, never learned from) and ``unused``. Always split first; cases are built from the parts afterwards.

The parts are Ibis expressions over whole tables, so that DuckDB and Spark give the same rows; what is random is an MD5
of the seed and the ids, which is the same number on every engine.
"""

from collections.abc import Callable
from typing import Literal

import ibis
import ibis.expr.types as ir

from shoptalk.recipe import SplitSection
from shoptalk.schema import ITEM, POSITION, TIME, USER

#: Column of the part, and every value that it has.
SPLIT = "split"
TRAIN, VALIDATION, TEST, CONTEXT, UNUSED = "train", "validation", "test", "context", "unused"

Cache = Callable[[ir.Table], ir.Table]

# Columns that only live inside this module: the user's number of rows, and the place of the first row of the same
# moment (the row's own place, unless purchases of one moment are kept together).
_ROWS, _FIRST, _PART = "rows_of_user", "first_of_moment", "part"
_END_OF_TIME = 2**62


def split(interactions: ir.Table, section: SplitSection, seed: int, cache: Cache) -> ir.Table:
    """Every interaction with its place in the user's history and its part.

    Parameters
    ----------
    interactions
        Columns ``user_id``, ``item_id``, ``timestamp`` (seconds), ``position`` (order in the source), and any others.
        Unless the split is `random`, the ids may be numbers that sort as they do.
    section
        How to split.
    seed
        Of the order of users, and of ties where they are shuffled.
    cache
        Makes a table's rows once (``Engine.cache``), so that later steps do not compute them again.

    Returns
    -------
    Table
        The same rows; ``position`` is now the place in the user's history, from 0, and ``split`` the part.
    """
    ordered = _with_moments(order(interactions, section.ties, seed), section.ties)
    if section.method != "leave-one-out":  # the others look at it more than once
        ordered = cache(ordered)
    assign = {
        "leave-one-out": _leave_one_out,
        "by-user": _by_user,
        "by-time": _by_time,
        "by-time-per-user": _by_time_per_user,
    }[section.method]
    parts = assign(ordered, section, seed)
    return _named(parts, section).drop(_ROWS, _FIRST, _PART)


def cold_items(items: ir.Table, section: SplitSection, seed: int) -> ir.Table:
    """The items to withhold: those whose MD5 of seed and id is below the share, the same ones on every engine.

    Parameters
    ----------
    items
        Has a column ``item_id``, as text.
    """
    # Hexadecimal digits sort as the numbers that they write; "g" comes after all of them.
    border = f"{round(section.cold * 16**8):08x}" if section.cold < 1 else "g"
    return items.filter(_digest(seed, items[ITEM]) < border)


def withhold(interactions: ir.Table, cold: ir.Table, section: SplitSection, seed: int, cache: Cache) -> ir.Table:
    """Drop the purchases of cold items, but for those that leave-one-out will make the truth of a test.

    A cold item stays where it is in its user's last moment (see ``split``), so that it is asked for and never known:
    in no history, no validation, no training. Where fewer than three moments would be left, there would be no test, and
    the last moment would be learned from; the cold items go from there too.

    Parameters
    ----------
    interactions
        As for ``split``.
    cold
        Has a column ``item_id`` of the same kind.
    cache
        As for ``split``.

    Returns
    -------
    Table
        Some of the rows, in an order that ``split`` keeps.
    """
    ordered = cache(order(interactions, section.ties, seed))
    marked = ordered.left_join(cold.select(ITEM, is_cold=ibis.literal(True)), ITEM)
    marked = marked.drop(f"{ITEM}_right") if f"{ITEM}_right" in marked.columns else marked
    moment = marked[TIME] if section.ties == "set" else marked[POSITION].cast("int64")
    marked = marked.mutate(is_cold=marked["is_cold"].fill_null(False), moment=moment)
    last = marked["moment"] == marked["moment"].max().over(group_by=marked[USER])
    left = cache(marked.filter(~marked["is_cold"] | last))
    moments = left["moment"].nunique().over(group_by=left[USER])
    left = left.mutate(moments=moments)
    return left.filter(~left["is_cold"] | (left["moments"] >= 3)).drop("is_cold", "moment", "moments")


def random(section: SplitSection) -> bool:
    """Whether a split depends on the ids' text."""
    return section.method == "by-user" or section.ties == "random"


def order(interactions: ir.Table, ties: Literal["source", "random", "set"], seed: int) -> ir.Table:
    """Put each user's purchases in time order; ``position`` becomes the place, from 0.

    Purchases of one moment follow the source, or the MD5 of seed, user and item where ``ties`` is ``random``.
    """
    within = [interactions[POSITION], interactions[ITEM]]
    if ties == "random":
        within = [_digest(seed, interactions[USER], interactions[ITEM]), *within]
    index = ibis.row_number().over(group_by=interactions[USER], order_by=[interactions[TIME], *within])
    return interactions.mutate(**{POSITION: index.cast("int32")})


def _digest(seed: int, *columns: ir.StringColumn) -> ir.StringColumn:
    text = ibis.literal(str(seed))
    for column in columns:
        text = text + ibis.literal("\x1f") + column
    return text.hexdigest("md5")


def _with_moments(table: ir.Table, ties: str) -> ir.Table:
    first = table[POSITION]
    if ties == "set":
        first = first.min().over(group_by=[table[USER], table[TIME]])
    return table.mutate(**{_ROWS: table.count().over(group_by=table[USER]), _FIRST: first})


def _leave_one_out(table: ir.Table, section: SplitSection, seed: int) -> ir.Table:  # noqa: ARG001
    """The last moment is the test, the one before it the validation; with fewer than three, all is for training.

    A moment is one purchase, or all purchases of one timestamp where ``ties = "set"``.
    """
    moment, moments = table[POSITION], table[_ROWS]
    if section.ties == "set":
        table = table.mutate(
            moment=ibis.dense_rank().over(group_by=table[USER], order_by=table[TIME]),
            moments=table[TIME].nunique().over(group_by=table[USER]),
        )
        moment, moments = table["moment"], table["moments"]
    part = ibis.cases(
        (moments < 3, TRAIN), (moment == moments - 1, TEST), (moment == moments - 2, VALIDATION), else_=TRAIN
    )
    return table.mutate(**{_PART: part})


def _by_user(table: ir.Table, section: SplitSection, seed: int) -> ir.Table:
    """Whole users are for training, validation or test; of the last two only one purchase (or moment) is asked for.

    Users too short for a question are all for training, and are not counted in the fractions.
    """
    at = ibis.literal(section.history) if section.history else table[_ROWS] - 1
    asked = table[_FIRST].max(where=table[POSITION] == at).over(group_by=table[USER])
    table = table.mutate(asked=asked.fill_null(-1))  # a user with no such row has no question
    # With a fixed history, a moment may begin inside it: what lies before place n is history all the same. Without one,
    # a moment at place 0 would leave nothing to ask from.
    start = ibis.literal(section.history) if section.history else table["asked"]
    able = table["asked"] >= (0 if section.history else 1)
    is_target = (table[_FIRST] == table["asked"]) & (table[POSITION] >= start)
    users = table.group_by(USER).agg(able=able.max(), in_order=_digest(seed, table[USER]).min())
    users = users.filter(users["able"])
    users = users.mutate(
        rank=ibis.row_number().over(order_by=[users["in_order"], users[USER]]), users=users.count().over(ibis.window())
    )
    to_train, to_validation = (_share(users["users"], share) for share in _borders(section))
    group = ibis.cases((users["rank"] < to_train, TRAIN), (users["rank"] < to_validation, VALIDATION), else_=TEST)
    users = users.select(USER, group=group)
    # `is_target` speaks of `table`: it is made a column before the join.
    joined = table.mutate(is_target=is_target).left_join(users, USER)
    joined = joined.drop(f"{USER}_right") if f"{USER}_right" in joined.columns else joined
    group = joined["group"].fill_null(TRAIN)
    return joined.mutate(**{_PART: ibis.cases((group == TRAIN, TRAIN), (joined["is_target"], group), else_=UNUSED)})


def _by_time(table: ir.Table, section: SplitSection, seed: int) -> ir.Table:  # noqa: ARG001
    """Two dates for everybody: before the first is training, between them validation, after them test.

    A user's truth in a window is the first purchase there (or all of its moment) that has something before it; the rest
    of the window is never a truth.
    """
    first, second = (_quantile(table, share) for share in _borders(section))
    window = ibis.cases((table[TIME] < first, TRAIN), (table[TIME] < second, VALIDATION), else_=TEST)
    table = table.mutate(window=window)
    able = table[_FIRST] >= 1
    asked = table[_FIRST].min(where=able).over(group_by=[table[USER], table["window"]])
    is_target = able & (table[_FIRST] == asked)
    part = ibis.cases((table["window"] == TRAIN, TRAIN), (is_target, table["window"]), else_=UNUSED)
    return table.mutate(**{_PART: part})


def _by_time_per_user(table: ir.Table, section: SplitSection, seed: int) -> ir.Table:  # noqa: ARG001
    """Every user's own purchases, cut by time; the truth is every purchase of the validation or test stretch.

    A user's first moment is always for training, so that every case has a history.
    """
    to_train, to_validation = (_share(table[_ROWS], share) for share in _borders(section))
    early = (table[_FIRST] < to_train) | (table[_FIRST] == 0)
    part = ibis.cases((early, TRAIN), (table[_FIRST] < to_validation, VALIDATION), else_=TEST)
    return table.mutate(**{_PART: part})


def _borders(section: SplitSection) -> tuple[float, float]:
    train, validation, _ = section.fractions
    return train, train + validation


def _share(whole: ir.IntegerValue, share: float) -> ir.IntegerValue:
    """The whole part of ``share`` of a number; the small term undoes that 0.7 + 0.1 is less than 0.8."""
    return (whole * share + 1e-9).floor().cast("int64")


def _quantile(table: ir.Table, share: float) -> float:
    """The timestamp (seconds) before which lies ``share`` of the rows, up to the rows of that timestamp itself."""
    rows = int(table.count().to_pyarrow().as_py())
    index = int(rows * share + 1e-9)
    if index >= rows:
        return _END_OF_TIME
    found = table.select(TIME).order_by(TIME).limit(1, offset=index).to_pyarrow()
    return float(found[TIME][0].as_py())


def _named(table: ir.Table, section: SplitSection) -> ir.Table:
    """Name what is neither learned from nor asked for: context where a truth of the same user comes later."""
    named = table.mutate(**{SPLIT: table[_PART]})
    if section.method != "leave-one-out":  # there, every row has its part
        asked = table[_PART].isin([VALIDATION, TEST])
        last = table[POSITION].max(where=asked).over(group_by=table[USER])
        spare = ibis.ifelse(table[POSITION] < last.fill_null(0), CONTEXT, UNUSED)
        named = table.mutate(**{SPLIT: ibis.ifelse(table[_PART] == UNUSED, spare, table[_PART])})
    helpers = {"moment", "moments", "asked", "is_target", "group", "window"} & set(named.columns)
    return named.drop(*helpers)
