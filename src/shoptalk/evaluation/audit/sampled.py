"""The trap of sampled metrics: against a hundred drawn items everything looks good, and orders change.

Source: W. Krichene, S. Rendle, "On sampled metrics for item recommendation", KDD 2020.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
from scipy import stats

from shoptalk.constants import DEFAULT_K
from shoptalk.evaluation.audit.evidence import Evidence, Log
from shoptalk.evaluation.audit.finding import Finding
from shoptalk.evaluation.bootstrap import Floats, estimate
from shoptalk.evaluation.id_map import Ints

#: Items drawn beside the right one.
DRAWN = 100


def sampled_recall(ranks: Ints, catalogue: int, drawn: int = DRAWN, k: int = DEFAULT_K) -> Floats:
    """(N,) the probability that a right item of this rank is among the first k of itself and ``drawn`` others.

    Of ``catalogue - 1`` others ``rank - 1`` are better, and fewer than k of them may be drawn: a hypergeometric
    distribution, so that nothing is drawn here.
    """
    return np.asarray(stats.hypergeom.cdf(k - 1, catalogue - 1, ranks - 1, min(drawn, catalogue - 1)))


def check(evidence: Evidence) -> Iterator[Finding]:
    """Full and sampled recall of a run's methods, or of popularity, and whether the sampled one swaps two of them."""
    outcome, log = evidence.outcome, evidence.log
    if outcome is not None and outcome.ranks:
        ranks, catalogue = outcome.ranks, outcome.catalogue
    elif log is not None and len(log.target) and len(log.items) > DRAWN:
        ranks, catalogue = {"popularity": _by_popularity(log, evidence.seed)}, len(log.items)
    else:
        return
    full = {name: (own <= DEFAULT_K).astype(np.float64) for name, own in ranks.items()}
    drawn = {name: sampled_recall(own, catalogue) for name, own in ranks.items()}
    swapped = list(_swapped(full, drawn, evidence.seed))
    name = next(iter(ranks))
    apart = estimate(drawn[name] - full[name], seed=evidence.seed)
    statement = (
        f"recall@{DEFAULT_K} of {name} is {full[name].mean():.4f} over the whole catalogue and would be "
        f"{drawn[name].mean():.4f} against {DRAWN} drawn items"
    )
    yield Finding(
        "sampled_metric",
        "warn" if swapped else "info",
        statement + (f"; it would swap {', '.join(swapped)}" if swapped else ""),
        apart,
        do="rank the whole catalogue; never compare a sampled figure with a full one",
    )


def _swapped(full: Mapping[str, Floats], drawn: Mapping[str, Floats], seed: int) -> Iterator[str]:
    """Pairs of methods of which one is better in full and the other against drawn items, both beyond doubt."""
    for one, other in combinations(full, 2):
        whole, part = estimate(full[one] - full[other], seed=seed), estimate(drawn[one] - drawn[other], seed=seed)
        if (whole.low > 0 and part.high < 0) or (whole.high < 0 and part.low > 0):
            yield f"{one} and {other}"


def _by_popularity(log: Log, seed: int) -> Ints:
    """(C,) rank of the test targets by training purchases, from 1; ties by the rule of `rank_metrics`."""
    rank = np.empty(len(log.bought), dtype=np.int64)
    rank[np.argsort(-log.bought, kind="stable")] = np.arange(1, len(rank) + 1)
    return np.asarray(rank[log.item[log.sample(seed)]])
