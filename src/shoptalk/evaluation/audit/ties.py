"""Who decides what the last purchase is: the buyer, or the order of a file inside one moment."""

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

#: Share of decided targets from which on the ties count.
MANY = 0.05
#: Distance from one half of the ascending pairs from which on the order inside a moment is not the buyers'.
ORDERED = 0.1
#: Users of the side-by-side measurement, and the scores held at once.
USERS, CELLS = 2_000, 16_000_000
_DECAY = 0.7


def check(evidence: Evidence) -> Iterator[Finding]:
    """The share of decided targets, the order inside a moment, and what the ties do to a metric."""
    log = evidence.log
    if log is None or not len(log.target) or not len(log.same_moment):
        return
    decided = tied(log)
    found = share(decided)
    tied_up, other_up = _ascending(log)
    files = not np.isnan(tied_up.value) and max(tied_up.low - 0.5, 0.5 - tied_up.high) > ORDERED
    many = found.low > MANY and log.ties == "source"
    yield Finding(
        "ties",
        ("fail" if files else "warn") if many else "info",
        f"for {found.value:.3f} of the test users the order inside one moment decides what the right item is "
        f"(ties: {log.ties})"
        if log.ties != "set"
        else f"{found.value:.3f} of the test users have tied moments, and all purchases of the last one count as right",
        found,
        _example(log, decided),
        'use split.ties = "set", or report tied and untied users apart' if many else "",
    )
    if tied_up.n:
        odd = files and log.ties == "source" and found.low > MANY
        yield Finding(
            "order_in_ties",
            "warn" if odd else "info",
            f"inside a moment the item ids ascend in {tied_up.value:.3f} of the pairs, between moments in "
            f"{other_up.value:.3f}" + (": the order is the file's, and no choice of the buyer" if odd else ""),
            tied_up,
        )
    if many:
        yield from _measured(log, decided, evidence.seed)
    if evidence.outcome is not None:
        yield from _of_run(evidence.outcome, evidence.seed)


def tied(log: Log) -> Bools:
    """(C,) whether a test target shares its moment with the purchase before it or with the one after its last."""
    rows = log.target
    linked = np.zeros(len(log.user) + 1, dtype=np.bool_)
    linked[1:-1] = log.same_moment  # between row - 1 and row
    last = _last_rows(log)
    return linked[rows] | linked[last + 1]


def _last_rows(log: Log) -> Ints:
    """(C,) the last row of each target: a run of rows of the same part and user."""
    changes = np.flatnonzero(np.append(log.new_user[1:] | (log.part[1:] != log.part[:-1]), True))
    return changes[np.searchsorted(changes, log.target)]


def _ascending(log: Log) -> tuple[Estimate, Estimate]:
    """Shares of neighbouring pairs of a user in which the id ascends: inside a moment, and between moments."""
    rank = id_ranks(log.items)[log.item]
    up, different = rank[1:] > rank[:-1], rank[1:] != rank[:-1]
    inside = log.same_moment & different
    return share(up[inside]), share(up[~log.new_user[1:] & ~log.same_moment & different])


def _measured(log: Log, decided: Bools, seed: int) -> Iterator[Finding]:
    """The same simple ranking for the same tied users, asked as the source orders them and as sets."""
    rows = log.target[decided]
    if len(rows) > USERS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, USERS, replace=False))
    first = log.first_row(rows)
    begin, until = _moments(log, rows)
    whole = begin > first  # a user whose every purchase is of this moment has no history as a set
    rows, first, begin, until = rows[whole], first[whole], begin[whole], until[whole]
    if not len(rows):
        return
    steps = _steps(log)
    source = _recall(log, steps, first, rows, rows + 1)
    as_set = _recall(log, steps, first, begin, until)
    gap = estimate(source - as_set, seed=seed)
    yield Finding(
        "ties_in_metric",
        "warn" if gap.low > 0 or gap.high < 0 else "info",
        f"for those users a ranking by transitions gets recall@10 {source.mean():.4f} with source ties and "
        f"{as_set.mean():.4f} with sets",
        gap,
    )


def _moments(log: Log, rows: Ints) -> tuple[Ints, Ints]:
    """The first row of each row's moment, and the row after its last."""
    begins = np.flatnonzero(np.append(True, ~log.same_moment))
    index = np.searchsorted(begins, rows, side="right")
    return begins[index - 1], np.append(begins, len(log.user))[index]


def _steps(log: Log) -> sparse.csr_array:
    """(I, I) how often an item was bought right after or before another in training, each row of length 1."""
    rows = np.flatnonzero((log.part[1:] == TRAIN) & (log.part[:-1] == TRAIN) & ~log.new_user[1:])
    one, other = log.item[rows], log.item[rows + 1]
    counted = sparse.csr_array((np.ones(len(one), np.float32), (one, other)), shape=(len(log.items),) * 2)
    both = sparse.csr_array(counted + counted.T)
    norms = np.sqrt(np.maximum(log.bought, 1)).astype(np.float32)
    return sparse.csr_array(sparse.diags_array(1 / norms) @ both @ sparse.diags_array(1 / norms))


def _recall(log: Log, steps: sparse.csr_array, first: Ints, begin: Ints, end: Ints) -> Floats:
    """(C,) recall@10 of the rows from begin up to end, ranked by steps from the rows from first up to begin.

    Equal scores stand in catalogue order, as everywhere (`shoptalk.ranking.top_k`).
    """
    found = np.zeros(len(first))
    size = max(1, CELLS // max(1, len(log.items)))
    for start in range(0, len(first), size):
        block = slice(start, start + size)
        lengths = begin[block] - first[block]
        index = np.repeat(np.arange(len(lengths)), lengths)
        recency = np.repeat(np.cumsum(lengths), lengths) - 1 - np.arange(len(index))
        seen_items = np.repeat(begin[block], lengths) - 1 - recency
        weights = sparse.csr_array(
            (_DECAY ** recency.astype(np.float32), (index, log.item[seen_items])), shape=(len(lengths), len(log.items))
        )
        scores = (weights @ steps).toarray()
        scores[index, log.item[seen_items]] = -1
        best = top_k(scores, DEFAULT_K)
        best[np.take_along_axis(scores, best, axis=1) <= 0] = PAD_ID  # without evidence nothing is recommended
        bought = end[block] - begin[block]
        row = np.repeat(np.arange(len(bought)), bought)
        nth = np.arange(len(row)) - np.repeat(np.cumsum(bought) - bought, bought)
        targets = UserItemSets.of(row, log.item[np.repeat(begin[block], bought) + nth], len(bought))
        found[block] = find(best, targets).recall(DEFAULT_K)
    return found


def _of_run(outcome: Outcome, seed: int) -> Iterator[Finding]:
    """A run's own figure on tied and on untied users."""
    if not outcome.tied.any() or outcome.tied.all():
        return
    with_ties, without = (estimate(outcome.own[chosen], seed=seed) for chosen in (outcome.tied, ~outcome.tied))
    apart = with_ties.low > without.high or with_ties.high < without.low
    yield Finding(
        "ties_of_run",
        "warn" if apart else "info",
        f"the run's {outcome.metric} is {with_ties.value:.4f} [{with_ties.low:.4f}, {with_ties.high:.4f}] for tied "
        f"users and {without.value:.4f} [{without.low:.4f}, {without.high:.4f}] for the others",
        with_ties,
        do="report both" if apart else "",
    )


def _example(log: Log, decided: Bools) -> str:
    if not decided.any():
        return ""
    row = int(log.target[decided.argmax()])
    start, end = int(log.first_row(np.array([row]))[0]), int(log.start[log.start > row][0])
    together = [log.items[item] for item in log.item[start:end][log.time[start:end] == log.time[row]].tolist()]
    shown = ", ".join(together[:4]) + (", …" if len(together) > 4 else "")
    return f"user {log.users[int(log.user[row])]} bought {shown} in one moment"
