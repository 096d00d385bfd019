"""Sampled metrics: against 100 sampled items metrics are higher, and the order of methods can change.

Source: W. Krichene, S. Rendle, "On sampled metrics for item recommendation", KDD 2020.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln

from shoptalk.constants import DEFAULT_K
from shoptalk.evaluation.audit.evidence import Evidence, Log
from shoptalk.evaluation.audit.finding import Finding
from shoptalk.evaluation.bootstrap import Floats, estimate
from shoptalk.evaluation.id_map import Ints

#: Number of items sampled beside the right one.
DRAWN = 100


def sampled_recall(ranks: Ints, catalogue: int, drawn: int = DRAWN, k: int = DEFAULT_K) -> Floats:
    """(N,) the probability that an item of this rank is among the first k of itself and ``drawn`` sampled items.

    Of the ``catalogue - 1`` other items ``rank - 1`` are ranked higher, and fewer than k of them may be sampled. Their
    number has a hypergeometric distribution, so the probability is exact.
    """
    items, better, size = catalogue - 1, np.asarray(ranks, dtype=np.float64)[:, None] - 1, min(drawn, catalogue - 1)
    sampled = np.arange(k)  # (k,) numbers of sampled items that are ranked higher
    possible = (sampled <= better) & (sampled <= size) & (size - sampled <= items - better)
    with np.errstate(all="ignore"):  # impossible numbers are left out below
        logs = (
            _log_binomial(better, sampled)
            + _log_binomial(items - better, size - sampled)
            - _log_binomial(np.float64(items), size)
        )
        return np.asarray(np.where(possible, np.exp(logs), 0).sum(axis=1).clip(max=1))


def _log_binomial(total: ArrayLike, chosen: ArrayLike) -> Floats:
    """The logarithm of the binomial coefficient."""
    n, k = np.asarray(total, dtype=np.float64), np.asarray(chosen, dtype=np.float64)
    return np.asarray(-np.log1p(n) - betaln(n - k + 1, k + 1))


def check(evidence: Evidence) -> Iterator[Finding]:
    """Full and sampled recall of a run's methods, or of popularity, and the pairs whose order sampling reverses."""
    outcome, log = evidence.outcome, evidence.log
    if outcome is not None and outcome.ranks:
        ranks, catalogue = outcome.ranks, outcome.catalogue
    elif log is not None and len(log.target_rows) and len(log.items) > DRAWN:
        ranks, catalogue = {"popularity": _by_popularity(log, evidence.seed)}, len(log.items)
    else:
        return
    full = {name: (method_ranks <= DEFAULT_K).astype(np.float64) for name, method_ranks in ranks.items()}
    sampled = {name: sampled_recall(method_ranks, catalogue) for name, method_ranks in ranks.items()}
    reversed_pairs = list(_reversed(full, sampled, evidence.seed))
    name = next(iter(ranks))
    difference = estimate(sampled[name] - full[name], seed=evidence.seed)
    statement = (
        f"recall@{DEFAULT_K} of {name} is {full[name].mean():.4f} over the whole catalogue and would be "
        f"{sampled[name].mean():.4f} against {DRAWN} sampled items"
    )
    yield Finding(
        "sampled_metric",
        "warn" if reversed_pairs else "info",
        statement + (f"; sampling would reverse the order of {', '.join(reversed_pairs)}" if reversed_pairs else ""),
        difference,
        do="rank the whole catalogue; do not compare sampled metrics with full ones",
    )


def _reversed(full: Mapping[str, Floats], sampled: Mapping[str, Floats], seed: int) -> Iterator[str]:
    """Pairs of methods that the full and the sampled metric order differently, both with intervals that exclude 0."""
    for first, second in combinations(full, 2):
        full_difference, sampled_difference = (
            estimate(full[first] - full[second], seed=seed),
            estimate(sampled[first] - sampled[second], seed=seed),
        )
        if (full_difference.low > 0 and sampled_difference.high < 0) or (
            full_difference.high < 0 and sampled_difference.low > 0
        ):
            yield f"{first} and {second}"


def _by_popularity(log: Log, seed: int) -> Ints:
    """(C,) rank of the test targets by training purchases, from 1; ties by the rule of `rank_metrics`."""
    ranks = np.empty(len(log.purchases), dtype=np.int64)
    ranks[np.argsort(-log.purchases, kind="stable")] = np.arange(1, len(ranks) + 1)
    return np.asarray(ranks[log.item[log.sample(seed)]])
