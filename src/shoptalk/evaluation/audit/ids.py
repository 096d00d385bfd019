"""Whether item ids carry information: a model that reads them could learn the order of the catalogue."""

from collections.abc import Iterator, Sequence

import numpy as np

from shoptalk.evaluation.audit.benchmark import Benchmark
from shoptalk.evaluation.audit.evidence import TRAIN, Evidence, Log
from shoptalk.evaluation.audit.finding import Finding, NotChecked, share
from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.id_map import Ints
from shoptalk.schema import Estimate

#: Ids are neighbours if their ranks differ by at most this share of the catalogue (50 of 12,086).
NEAR = 0.004
#: The share of transitions between neighbours must exceed chance by this factor and by this difference.
TIMES, MARGIN = 1.5, 0.005
#: Rank correlation above which ids count as sorted.
SORTED = 0.1
#: Fewest items, and fewest rows of a benchmark, whose ids are examined.
MIN_ITEMS = 50
#: Permutations from which the share expected by chance is estimated.
_SHUFFLES = 20


def id_ranks(items: Sequence[str]) -> Ints:
    """(I,) rank of each id in ascending order, from 0: whole numbers by value, other ids as text."""
    if all(item.isascii() and item.isdigit() and len(item) < 19 for item in items):
        keys = np.array([int(item) for item in items], dtype=np.int64)
    else:
        keys = np.asarray(items, dtype=np.str_)
    ranks = np.empty(len(items), dtype=np.int64)
    ranks[np.argsort(keys, kind="stable")] = np.arange(len(items))
    return ranks


def check(evidence: Evidence) -> Iterator[Finding | NotChecked]:
    """Transitions between neighbouring ids; ids that are sorted by popularity or by time."""
    log = evidence.log
    if evidence.benchmark is not None and len(evidence.benchmark):
        yield from _benchmark(evidence.benchmark, evidence.seed)
    if log is None or len(log.items) < 3 or not len(log.user):
        return
    ranks = id_ranks(log.items)
    yield from _neighbours(log, ranks, evidence.seed)
    bought = log.purchases > 0
    first = np.full(len(log.items), np.inf)
    np.minimum.at(first, log.item, log.time)
    has_time = np.isfinite(first)
    for name, mask, values in (("popularity", bought, log.purchases), ("time", has_time, first)):
        if mask.sum() < 4 or len(np.unique(values[mask])) < 2:
            continue
        variable = "the number of purchases" if name == "popularity" else "the time of the first purchase"
        yield _order(name, variable, ranks[mask], values[mask])


def _order(name: str, variable: str, ranks: Ints, values: Ints) -> Finding:
    """The rank correlation of ids with a variable."""
    rho = spearman(ranks, values)
    strength = max(rho.low, -rho.high)  # distance of the interval from 0
    return Finding(
        f"ids_by_{name}",
        "warn" if strength > SORTED else "info",
        f"rank correlation of item ids with {variable}: {rho.value:+.3f}",
        rho,
        do="do not show raw ids to a model, or number the items at random" if strength > SORTED else "",
    )


def _benchmark(benchmark: Benchmark, seed: int) -> Iterator[Finding | NotChecked]:
    """The ids of a benchmark's rows: transitions from the last item of the history to the target, and popularity."""
    rows = [ids for ids in benchmark.ids if len(ids) > 1]
    items = sorted({item for ids in rows for item in ids})
    if not rows:
        return
    if len(items) < MIN_ITEMS or len(rows) < MIN_ITEMS:
        yield NotChecked("the order of the ids", f"there are only {len(items)} items in {len(rows)} rows")
        return
    codes = {item: code for code, item in enumerate(items)}
    ranks = id_ranks(items)
    first, second = np.array([(codes[ids[-2]], codes[ids[-1]]) for ids in rows], dtype=np.int64).T
    yield from _transitions(
        first, second, ranks, items, seed, "transitions from the last item of a history to the target"
    )
    counts = np.bincount(second, minlength=len(items))
    if len(np.unique(counts)) > 1:
        yield _order("popularity", "the number of rows about the item", ranks, counts)


def _neighbours(log: Log, ranks: Ints, seed: int) -> Iterator[Finding]:
    """The share of transitions between purchases at different times that lead to a neighbouring id."""
    rows = np.flatnonzero(~log.new_user[1:] & ~log.same_time & (log.part[1:] == TRAIN))
    first, second = (log.item[numbers].astype(np.int64) for numbers in (rows, rows + 1))
    what = "transitions between purchases at different times"
    yield from _transitions(first, second, ranks, log.items, seed, what)


def _transitions(
    first: Ints, second: Ints, ranks: Ints, items: Sequence[str], seed: int, what: str
) -> Iterator[Finding]:
    """The share of transitions between items (by number) that lead to a neighbouring id, compared with permutations."""
    first, second = ranks[first], ranks[second]
    different = first != second
    first, second = first[different], second[different]
    if not len(first):
        return
    width = max(1, round(NEAR * len(items)))
    size = share(np.abs(first - second) <= width)
    generator = np.random.default_rng(seed)
    permutations = [generator.permutation(second) for _ in range(_SHUFFLES if len(second) < 1_000_000 else 1)]
    chance = float(
        np.mean([(np.abs(first - shuffled) <= width)[first != shuffled].mean() for shuffled in permutations])
    )
    flagged = size.low > max(TIMES * chance, chance + MARGIN)
    index = int((np.abs(first - second) <= width).argmax())
    by_rank = np.argsort(ranks)
    yield Finding(
        "ids_of_neighbours",
        "warn" if flagged else "info",
        f"{size.value:.4f} of the {what} lead to an id within {width} "
        f"positions of the previous one; expected by chance: {chance:.4f}",
        size,
        f"{items[int(by_rank[first[index]])]} then {items[int(by_rank[second[index]])]}" if flagged else "",
        "do not show raw ids to a model, or number the items at random" if flagged else "",
    )


def spearman(first: Ints, second: Ints) -> Estimate:
    """Rank correlation in [-1, 1] with its interval by Fisher's z; its standard error is 1.03 / sqrt(N - 3).

    Source: E. Fieller, H. Hartley, E. Pearson, "Tests for rank correlation coefficients", Biometrika 1957.
    """
    rho = float(np.corrcoef(_average_ranks(first), _average_ranks(second))[0, 1])
    half_width = 1.96 * 1.03 / np.sqrt(len(first) - 3)
    z = np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
    return Estimate(rho, float(np.tanh(z - half_width)), float(np.tanh(z + half_width)), len(first))


def _average_ranks(values: Ints) -> Floats:
    """(N,) ranks of the values, from 1; equal values have the mean of their ranks."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[group], dtype=np.float64)
