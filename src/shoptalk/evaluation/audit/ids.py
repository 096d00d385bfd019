"""Do item ids carry information? A model that reads them would learn the catalogue's numbering."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import stats

from shoptalk.evaluation.audit.evidence import TRAIN, Evidence, Log
from shoptalk.evaluation.audit.finding import Finding, share
from shoptalk.evaluation.id_map import Ints
from shoptalk.schema import Estimate

#: Ids are neighbours within this share of the catalogue (50 of 12,086).
NEAR = 0.004
#: How often neighbours must be bought one after the other, beyond doubt, as a multiple of chance and beyond it.
TIMES, MARGIN = 1.5, 0.005
#: Rank correlation from which on ids are sorted.
SORTED = 0.1
#: Shuffles of chance.
_SHUFFLES = 20


def id_ranks(items: Sequence[str]) -> Ints:
    """(I,) place of each id in ascending order: of whole numbers by value, of others letter by letter."""
    if all(item.isascii() and item.isdigit() and len(item) < 19 for item in items):
        keys = np.array([int(item) for item in items], dtype=np.int64)
    else:
        keys = np.asarray(items, dtype=np.str_)
    ranks = np.empty(len(items), dtype=np.int64)
    ranks[np.argsort(keys, kind="stable")] = np.arange(len(items))
    return ranks


def check(evidence: Evidence) -> Iterator[Finding]:
    """Neighbours bought together; ids that are sorted by popularity or by time."""
    log = evidence.log
    if log is None or len(log.items) < 3 or not len(log.user):
        return
    ranks = id_ranks(log.items)
    yield from _neighbours(log, ranks, evidence.seed)
    met = log.bought > 0
    first = np.full(len(log.items), np.inf)
    np.minimum.at(first, log.item, log.time)
    seen = np.isfinite(first)
    for name, chosen, values in (("popularity", met, log.bought), ("time", seen, first)):
        if chosen.sum() < 4 or len(np.unique(values[chosen])) < 2:
            continue
        rho = spearman(ranks[chosen], values[chosen])
        size = max(rho.low, -rho.high)  # distance from zero beyond doubt
        what = "purchases" if name == "popularity" else "the first purchase"
        yield Finding(
            f"ids_by_{name}",
            "warn" if size > SORTED else "info",
            f"rank correlation of item ids with {what}: {rho.value:+.3f}",
            rho,
            do="never show raw ids to a model, and number items at random" if size > SORTED else "",
        )


def _neighbours(log: Log, ranks: Ints, seed: int) -> Iterator[Finding]:
    """Steps between neighbouring ids, among steps from one moment to another, against shuffled steps."""
    rows = np.flatnonzero(~log.new_user[1:] & ~log.same_moment & (log.part[1:] == TRAIN))
    one, other = ranks[log.item[rows]], ranks[log.item[rows + 1]]
    different = one != other
    one, other = one[different], other[different]
    if not len(one):
        return
    width = max(1, round(NEAR * len(log.items)))
    found = share(np.abs(one - other) <= width)
    generator = np.random.default_rng(seed)
    drawn = [generator.permutation(other) for _ in range(_SHUFFLES if len(other) < 1_000_000 else 1)]
    chance = float(np.mean([(np.abs(one - shuffled) <= width)[one != shuffled].mean() for shuffled in drawn]))
    estimated = found.low > max(TIMES * chance, chance + MARGIN)
    at = int((np.abs(one - other) <= width).argmax())
    by_rank = np.argsort(ranks)
    yield Finding(
        "ids_of_neighbours",
        "warn" if estimated else "info",
        f"{found.value:.4f} of the steps from one moment to the next lead to an id within {width} places, by chance "
        f"{chance:.4f}",
        found,
        f"{log.items[int(by_rank[one[at]])]} then {log.items[int(by_rank[other[at]])]}" if estimated else "",
        "never show raw ids to a model, and number items at random" if estimated else "",
    )


def spearman(one: Ints, other: Ints) -> Estimate:
    """Rank correlation in [-1, 1] with its interval by Fisher's z; its standard error is 1.03 / sqrt(N - 3).

    Source: E. Fieller, H. Hartley, E. Pearson, "Tests for rank correlation coefficients", Biometrika 1957.
    """
    rho = float(stats.spearmanr(one, other).statistic)
    half = 1.96 * 1.03 / np.sqrt(len(one) - 3)
    z = np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
    return Estimate(rho, float(np.tanh(z - half)), float(np.tanh(z + half)), len(one))
