"""Whether item ids carry information: a model that reads them could learn the order of the catalogue."""

from collections.abc import Iterator, Sequence

import numpy as np

from shoptalk.evaluation.audit.evidence import TRAIN, Evidence, Log
from shoptalk.evaluation.audit.finding import Finding, share
from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.id_map import Ints
from shoptalk.schema import Estimate

#: Ids are neighbours if their ranks differ by at most this share of the catalogue (50 of 12,086).
NEAR = 0.004
#: The share of transitions between neighbours must exceed chance by this factor and by this difference.
TIMES, MARGIN = 1.5, 0.005
#: Rank correlation above which ids count as sorted.
SORTED = 0.1
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


def check(evidence: Evidence) -> Iterator[Finding]:
    """Transitions between neighbouring ids; ids that are sorted by popularity or by time."""
    log = evidence.log
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
        rho = spearman(ranks[mask], values[mask])
        strength = max(rho.low, -rho.high)  # distance of the interval from 0
        variable = "the number of purchases" if name == "popularity" else "the time of the first purchase"
        yield Finding(
            f"ids_by_{name}",
            "warn" if strength > SORTED else "info",
            f"rank correlation of item ids with {variable}: {rho.value:+.3f}",
            rho,
            do="do not show raw ids to a model, or number the items at random" if strength > SORTED else "",
        )


def _neighbours(log: Log, ranks: Ints, seed: int) -> Iterator[Finding]:
    """The share of transitions between different times that lead to a neighbouring id, compared with permutations."""
    rows = np.flatnonzero(~log.new_user[1:] & ~log.same_time & (log.part[1:] == TRAIN))
    first, second = ranks[log.item[rows]], ranks[log.item[rows + 1]]
    different = first != second
    first, second = first[different], second[different]
    if not len(first):
        return
    width = max(1, round(NEAR * len(log.items)))
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
        f"{size.value:.4f} of the transitions between purchases at different times lead to an id within {width} "
        f"positions of the previous one; expected by chance: {chance:.4f}",
        size,
        f"{log.items[int(by_rank[first[index]])]} then {log.items[int(by_rank[second[index]])]}" if flagged else "",
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
