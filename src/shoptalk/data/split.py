"""The split: every purchase gets its position in the user's history and its part.

Parts: ``train``; ``validation`` and ``test`` (the targets of one case of the user); ``context`` (only used as history,
never trained on) and ``unused``. Cases are built from the parts afterwards.

The parts are Ibis expressions over whole tables, so that DuckDB and Spark give the same rows. Random choices use the
MD5 of the seed and the ids, which is the same on every engine.
"""

from collections.abc import Callable
from typing import Literal

import ibis
import ibis.expr.types as ir

from shoptalk.recipe import SplitSection
from shoptalk.schema import ITEM, POSITION, TIME, USER

#: The column of the part, and its values.
SPLIT = "split"
TRAIN, VALIDATION, TEST, CONTEXT, UNUSED = "train", "validation", "test", "context", "unused"

Cache = Callable[[ir.Table], ir.Table]

# Columns that are used only within this module: the number of the user's rows; the position of the first row with the
# same timestamp (the row's own position, unless ties are a set); the part, before contexts are distinguished.
_ROWS, _FIRST, _PART = "rows_of_user", "first_of_moment", "part"
_END_OF_TIME = 2**62


def split(interactions: ir.Table, section: SplitSection, seed: int, cache: Cache) -> ir.Table:
    """Add to every interaction its position in the user's history and its part.

    Parameters
    ----------
    interactions
        Columns ``user_id``, ``item_id``, ``timestamp`` (seconds), ``position`` (order in the source), and any others.
        Unless `random` is true of the section, the ids may be integer codes that sort as the ids do.
    section
        The recipe's ``[split]``.
    seed
        The seed of the order of users, and of the order of ties where it is random.
    cache
        Computes and stores a table (``Engine.cache``), so that later steps do not compute it again.

    Returns
    -------
    Table
        The same rows; ``position`` is the position in the user's history, from 0, and ``split`` the part.
    """
    shuffled = section.method == "random"
    ties = "source" if shuffled else section.ties  # in a drawn order there are none
    ordered = _with_moments(order(interactions, ties, seed, shuffled=shuffled), ties)
    if section.method != "leave-one-out":  # the other methods use the table more than once
        ordered = cache(ordered)
    assign = {
        "leave-one-out": _leave_one_out,
        "by-user": _by_user,
        "by-time": _by_time,
        "by-time-per-user": _by_time_per_user,
        "random": _by_time_per_user,  # of purchases that `order` has shuffled
    }[section.method]
    with_parts = assign(ordered, section, seed)
    return _name_context(with_parts, section).drop(_ROWS, _FIRST, _PART)


def cold_items(items: ir.Table, section: SplitSection, seed: int) -> ir.Table:
    """The items to withhold: a share of them, by the MD5 of seed and id, the same on every engine.

    Parameters
    ----------
    items
        Has a column ``item_id``, as text.
    """
    # Hexadecimal digits sort as the numbers; "g" sorts after all of them.
    threshold = f"{round(section.cold * 16**8):08x}" if section.cold < 1 else "g"
    return items.filter(digest(seed, items[ITEM]) < threshold)


def withhold(interactions: ir.Table, cold: ir.Table, section: SplitSection, seed: int, cache: Cache) -> ir.Table:
    """Drop the purchases of cold items, except those that will be test targets of leave-one-out.

    A purchase of a cold item stays only if it belongs to the user's last moment (see ``split``); so the item is in no
    history, no validation target and no training data. A user with fewer than three moments left has no test, and the
    last moment would be for training; there the purchases of cold items are dropped too.

    Parameters
    ----------
    interactions
        As for ``split``.
    cold
        Has a column ``item_id`` of the same type.
    cache
        As for ``split``.

    Returns
    -------
    Table
        The remaining rows; ``position`` is in time order, so that ``split`` gives the same order again.
    """
    ordered = cache(order(interactions, section.ties, seed))
    marked = ordered.left_join(cold.select(ITEM, is_cold=ibis.literal(True)), ITEM)
    marked = marked.drop(f"{ITEM}_right") if f"{ITEM}_right" in marked.columns else marked
    moment = marked[TIME] if section.ties == "set" else marked[POSITION].cast("int64")
    marked = marked.mutate(is_cold=marked["is_cold"].fill_null(False), moment=moment)
    is_last = marked["moment"] == marked["moment"].max().over(group_by=marked[USER])
    remaining = cache(marked.filter(~marked["is_cold"] | is_last))
    remaining = remaining.mutate(moments=remaining["moment"].nunique().over(group_by=remaining[USER]))
    eligible = ~remaining["is_cold"] | (remaining["moments"] >= 3)
    return remaining.filter(eligible).drop("is_cold", "moment", "moments")


def random(section: SplitSection) -> bool:
    """Whether a split has random choices, which depend on the text of the ids."""
    return section.method in {"by-user", "random"} or section.ties == "random"


def order(
    interactions: ir.Table, ties: Literal["source", "random", "set"], seed: int, *, shuffled: bool = False
) -> ir.Table:
    """Sort each user's purchases by time; ``position`` becomes the position in this order, from 0.

    Ties are in the order of the source, or in that of the MD5 of seed, user and item where ``ties`` is ``random``. With
    ``shuffled`` all purchases are in that order, whatever their times.
    """
    tie_order = [interactions[POSITION], interactions[ITEM]]
    if ties == "random" or shuffled:
        tie_order = [digest(seed, interactions[USER], interactions[ITEM]), *tie_order]
    keys = tie_order if shuffled else [interactions[TIME], *tie_order]
    index = ibis.row_number().over(group_by=interactions[USER], order_by=keys)
    return interactions.mutate(**{POSITION: index.cast("int32")})


def digest(seed: int, *columns: ir.StringColumn) -> ir.StringColumn:
    """The MD5 of the seed and of columns of text, in hexadecimal digits."""
    text = ibis.literal(str(seed))
    for column in columns:
        text = text + ibis.literal("\x1f") + column
    return text.hexdigest("md5")


def _with_moments(table: ir.Table, ties: str) -> ir.Table:
    """Add the columns `_ROWS` and `_FIRST`."""
    first = table[POSITION]
    if ties == "set":
        first = first.min().over(group_by=[table[USER], table[TIME]])
    return table.mutate(**{_ROWS: table.count().over(group_by=table[USER]), _FIRST: first})


def _leave_one_out(table: ir.Table, section: SplitSection, seed: int) -> ir.Table:  # noqa: ARG001
    """The last moment is the test and the one before it the validation; with fewer than three, all are for training.

    A moment is one purchase, or all purchases with the same timestamp where ``ties = "set"``.
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
    """Users are for training, validation or test; of each of the last two, one purchase (or moment) is the target.

    Users with too few purchases for a case are for training, and do not count in the fractions.
    """
    target_position = ibis.literal(section.history) if section.history else table[_ROWS] - 1
    target = table[_FIRST].max(where=table[POSITION] == target_position).over(group_by=table[USER])
    table = table.mutate(target=target.fill_null(-1))  # -1: the user has no such row, and so no case
    # With a fixed history of n, the target's moment may begin before position n; these rows are history all the same.
    # Without a fixed history, a moment that begins at position 0 would leave no history.
    start = ibis.literal(section.history) if section.history else table["target"]
    has_case = table["target"] >= (0 if section.history else 1)
    is_target = (table[_FIRST] == table["target"]) & (table[POSITION] >= start)
    users = table.group_by(USER).agg(has_case=has_case.max(), digest=digest(seed, table[USER]).min())
    users = users.filter(users["has_case"])
    users = users.mutate(
        rank=ibis.row_number().over(order_by=[users["digest"], users[USER]]), users=users.count().over(ibis.window())
    )
    train_end, validation_end = (_share(users["users"], share) for share in _boundaries(section))
    group = ibis.cases((users["rank"] < train_end, TRAIN), (users["rank"] < validation_end, VALIDATION), else_=TEST)
    users = users.select(USER, group=group)
    # `is_target` refers to `table`, so it becomes a column before the join.
    joined = table.mutate(is_target=is_target).left_join(users, USER)
    joined = joined.drop(f"{USER}_right") if f"{USER}_right" in joined.columns else joined
    group = joined["group"].fill_null(TRAIN)
    return joined.mutate(**{_PART: ibis.cases((group == TRAIN, TRAIN), (joined["is_target"], group), else_=UNUSED)})


def _by_time(table: ir.Table, section: SplitSection, seed: int) -> ir.Table:  # noqa: ARG001
    """Two dates for all users: before the first is training, between them validation, after the second test.

    A user's target in a period is the first purchase there (or its moment) that has an earlier purchase; the other
    purchases of the period are never targets.
    """
    train_end, validation_end = (_quantile(table, share) for share in _boundaries(section))
    window = ibis.cases((table[TIME] < train_end, TRAIN), (table[TIME] < validation_end, VALIDATION), else_=TEST)
    table = table.mutate(window=window)
    has_history = table[_FIRST] >= 1
    target = table[_FIRST].min(where=has_history).over(group_by=[table[USER], table["window"]])
    is_target = has_history & (table[_FIRST] == target)
    part = ibis.cases((table["window"] == TRAIN, TRAIN), (is_target, table["window"]), else_=UNUSED)
    return table.mutate(**{_PART: part})


def _by_time_per_user(table: ir.Table, section: SplitSection, seed: int) -> ir.Table:  # noqa: ARG001
    """Each user's purchases are divided by time; all purchases of the validation or test period are targets.

    A user's first moment is always for training, so that every case has a history. The method ``random`` divides the
    shuffled purchases of each user in this way.
    """
    train_end, validation_end = (_share(table[_ROWS], share) for share in _boundaries(section))
    in_training = (table[_FIRST] < train_end) | (table[_FIRST] == 0)
    part = ibis.cases((in_training, TRAIN), (table[_FIRST] < validation_end, VALIDATION), else_=TEST)
    return table.mutate(**{_PART: part})


def _boundaries(section: SplitSection) -> tuple[float, float]:
    """The shares at which training and validation end."""
    train, validation, _ = section.fractions
    return train, train + validation


def _share(count: ir.IntegerValue, share: float) -> ir.IntegerValue:
    """``count * share``, rounded down; the small term corrects rounding errors such as 0.7 + 0.1 < 0.8."""
    return (count * share + 1e-9).floor().cast("int64")


def _quantile(table: ir.Table, share: float) -> float:
    """The timestamp (seconds) of the row at index ``rows * share`` in time order; after the last row, a late time."""
    rows = int(table.count().to_pyarrow().as_py())
    index = int(rows * share + 1e-9)
    if index >= rows:
        return _END_OF_TIME
    row = table.select(TIME).order_by(TIME).limit(1, offset=index).to_pyarrow()
    return float(row[TIME][0].as_py())


def _name_context(table: ir.Table, section: SplitSection) -> ir.Table:
    """Add the column `SPLIT`: rows that are `UNUSED` become `CONTEXT` where the user has a later target."""
    named = table.mutate(**{SPLIT: table[_PART]})
    if section.method != "leave-one-out":  # there, no row is unused
        is_target = table[_PART].isin([VALIDATION, TEST])
        last_target = table[POSITION].max(where=is_target).over(group_by=table[USER])
        context = ibis.ifelse(table[POSITION] < last_target.fill_null(0), CONTEXT, UNUSED)
        named = table.mutate(**{SPLIT: ibis.ifelse(table[_PART] == UNUSED, context, table[_PART])})
    temporary = {"moment", "moments", "target", "is_target", "group", "window"} & set(named.columns)
    return named.drop(*temporary)
