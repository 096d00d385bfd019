"""Tied purchases: test targets that depend on the order of purchases with the same timestamp."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from shoptalk.constants import DEFAULT_K
from shoptalk.evaluation.audit.evidence import TRAIN, Evidence, Log, Outcome
from shoptalk.evaluation.audit.finding import Finding, share
from shoptalk.evaluation.audit.ids import id_ranks
from shoptalk.evaluation.bootstrap import Floats, estimate
from shoptalk.evaluation.catalogue import find
from shoptalk.evaluation.id_map import PAD_ID, Bools, Ints, UserItemSets
from shoptalk.ranking import top_k
from shoptalk.schema import Estimate

#: Share of test targets that depend on ties above which a finding is a warning or a failure.
WARN_SHARE = 0.05
#: Distance from 0.5 of the share of tied pairs with ascending ids above which their order follows the ids.
ORDER_LIMIT = 0.1
#: Users of the measured effect on recall, and the scores held at once.
MOST_USERS, _CELLS = 2_000, 16_000_000
_DECAY = 0.7


def check(evidence: Evidence) -> Iterator[Finding]:
    """The share of tied targets, the order of tied purchases, and the effect of ties on recall."""
    log = evidence.log
    if log is None or not len(log.target_rows) or not len(log.same_time):
        return
    is_tied_target = tied(log)
    size = share(is_tied_target)
    tied_ascending, untied_ascending = _ascending(log)
    ordered_by_id = (
        not np.isnan(tied_ascending.value) and max(tied_ascending.low - 0.5, 0.5 - tied_ascending.high) > ORDER_LIMIT
    )
    frequent = size.low > WARN_SHARE and log.ties == "source"
    yield Finding(
        "ties",
        ("fail" if ordered_by_id else "warn") if frequent else "info",
        f"for {size.value:.3f} of the test users the order of purchases with the same timestamp decides the right item "
        f"(ties: {log.ties})"
        if log.ties != "set"
        else f"{size.value:.3f} of the test users have tied purchases; all those of the last timestamp are right items",
        size,
        _example(log, is_tied_target),
        'use split.ties = "set", or report users with and without ties separately' if frequent else "",
    )
    if tied_ascending.n:
        flagged = ordered_by_id and log.ties == "source" and size.low > WARN_SHARE
        yield Finding(
            "order_in_ties",
            "warn" if flagged else "info",
            f"item ids ascend in {tied_ascending.value:.3f} of the pairs of tied purchases, and in "
            f"{untied_ascending.value:.3f} of the other pairs"
            + (": tied purchases are in the order of the file" if flagged else ""),
            tied_ascending,
        )
    if frequent:
        yield from _effect_on_recall(log, is_tied_target, evidence.seed)
    if evidence.outcome is not None:
        yield from _of_run(evidence.outcome, evidence.seed)


def tied(log: Log) -> Bools:
    """(C,) whether a test target has the same timestamp as the purchase before it or after its last row."""
    rows = log.target_rows
    same_as_previous = np.zeros(len(log.user) + 1, dtype=np.bool_)
    same_as_previous[1:-1] = log.same_time  # compares row - 1 and row
    last = _last_rows(log)
    return same_as_previous[rows] | same_as_previous[last + 1]


def _last_rows(log: Log) -> Ints:
    """(C,) the last row of each test case, whose targets are consecutive rows of one part and user."""
    changes = np.flatnonzero(np.append(log.new_user[1:] | (log.part[1:] != log.part[:-1]), True))
    return changes[np.searchsorted(changes, log.target_rows)]


def _ascending(log: Log) -> tuple[Estimate, Estimate]:
    """Shares of pairs of consecutive purchases of a user in which the id ascends: tied pairs, and other pairs."""
    rank = id_ranks(log.items)[log.item]
    ascending, different = rank[1:] > rank[:-1], rank[1:] != rank[:-1]
    is_tied = log.same_time & different
    return share(ascending[is_tied]), share(ascending[~log.new_user[1:] & ~log.same_time & different])


def _effect_on_recall(log: Log, is_tied_target: Bools, seed: int) -> Iterator[Finding]:
    """Recall of a ranking by transitions for the same users, with ties in source order and with ties as sets."""
    rows = log.target_rows[is_tied_target]
    if len(rows) > MOST_USERS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_USERS, replace=False))
    first = log.first_row(rows)
    begin, end = _tie_groups(log, rows)
    has_history = begin > first  # without earlier purchases there is no history
    rows, first, begin, end = rows[has_history], first[has_history], begin[has_history], end[has_history]
    if not len(rows):
        return
    transitions = _transitions(log)
    source_recall = _recall(log, transitions, first, rows, rows + 1)
    set_recall = _recall(log, transitions, first, begin, end)
    gap = estimate(source_recall - set_recall, seed=seed)
    yield Finding(
        "ties_in_metric",
        "warn" if gap.low > 0 or gap.high < 0 else "info",
        f"for these users a ranking by transitions has recall@10 {source_recall.mean():.4f} with source ties and "
        f"{set_recall.mean():.4f} with sets",
        gap,
    )


def _tie_groups(log: Log, rows: Ints) -> tuple[Ints, Ints]:
    """The first row with the same user and timestamp as each of the rows, and the row after the last one."""
    starts = np.flatnonzero(np.append(True, ~log.same_time))
    index = np.searchsorted(starts, rows, side="right")
    return starts[index - 1], np.append(starts, len(log.user))[index]


def _transitions(log: Log) -> sparse.csr_array:
    """(I, I) counts of two items bought directly one after the other in training, over sqrt(purchases) of both."""
    rows = np.flatnonzero((log.part[1:] == TRAIN) & (log.part[:-1] == TRAIN) & ~log.new_user[1:])
    items, next_items = log.item[rows], log.item[rows + 1]
    counts = sparse.csr_array((np.ones(len(items), np.float32), (items, next_items)), shape=(len(log.items),) * 2)
    symmetric = sparse.csr_array(counts + counts.T)
    norms = np.sqrt(np.maximum(log.purchases, 1)).astype(np.float32)
    return sparse.csr_array(sparse.diags_array(1 / norms) @ symmetric @ sparse.diags_array(1 / norms))


def _recall(log: Log, transitions: sparse.csr_array, first: Ints, begin: Ints, end: Ints) -> Floats:
    """(C,) recall@10 with rows ``begin`` to ``end`` as targets and rows ``first`` to ``begin`` as history.

    The score of an item is the sum of the transitions from the history, with exponential decay. Equal scores are in
    catalogue order (`shoptalk.ranking.top_k`).
    """
    recalls = np.zeros(len(first))
    block_size = max(1, _CELLS // max(1, len(log.items)))
    for start in range(0, len(first), block_size):
        block = slice(start, start + block_size)
        lengths = begin[block] - first[block]
        index = np.repeat(np.arange(len(lengths)), lengths)
        recency = np.repeat(np.cumsum(lengths), lengths) - 1 - np.arange(len(index))
        seen_items = np.repeat(begin[block], lengths) - 1 - recency
        weights = sparse.csr_array(
            (_DECAY ** recency.astype(np.float32), (index, log.item[seen_items])), shape=(len(lengths), len(log.items))
        )
        scores = (weights @ transitions).toarray()
        scores[index, log.item[seen_items]] = -1
        best = top_k(scores, DEFAULT_K)
        best[np.take_along_axis(scores, best, axis=1) <= 0] = PAD_ID  # items without a transition are not recommended
        target_counts = end[block] - begin[block]
        row = np.repeat(np.arange(len(target_counts)), target_counts)
        offset = np.arange(len(row)) - np.repeat(np.cumsum(target_counts) - target_counts, target_counts)
        targets = UserItemSets.of(row, log.item[np.repeat(begin[block], target_counts) + offset], len(target_counts))
        recalls[block] = find(best, targets).recall(DEFAULT_K)
    return recalls


def _of_run(outcome: Outcome, seed: int) -> Iterator[Finding]:
    """The run's metric for users with and without ties."""
    if not outcome.tied.any() or outcome.tied.all():
        return
    tied_users, untied_users = (estimate(outcome.values[mask], seed=seed) for mask in (outcome.tied, ~outcome.tied))
    disjoint = tied_users.low > untied_users.high or tied_users.high < untied_users.low
    yield Finding(
        "ties_of_run",
        "warn" if disjoint else "info",
        f"the run's {outcome.metric} is {tied_users.value:.4f} [{tied_users.low:.4f}, {tied_users.high:.4f}] for users "
        f"with ties and {untied_users.value:.4f} [{untied_users.low:.4f}, {untied_users.high:.4f}] for the other users",
        tied_users,
        do="report both figures" if disjoint else "",
    )


def _example(log: Log, is_tied_target: Bools) -> str:
    """The purchases of the first user with a tied target, as text."""
    if not is_tied_target.any():
        return ""
    row = int(log.target_rows[is_tied_target.argmax()])
    start, end = int(log.first_row(np.array([row]))[0]), int(log.start[log.start > row][0])
    same_time = [log.items[item] for item in log.item[start:end][log.time[start:end] == log.time[row]].tolist()]
    shown = ", ".join(same_time[:4]) + (", …" if len(same_time) > 4 else "")
    return f"user {log.users[int(log.user[row])]} bought {shown} at the same time"
