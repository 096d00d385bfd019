"""Several methods on the same test users, each pair of them compared: how much better, how surely, and for how many.

The interval and ``p`` are the bootstrap's (see `paired`), ``p_randomisation`` is exact (see `randomisation`), and
``p_holm`` is that corrected for the number of pairs that a metric compares: the one to decide by.

Sources: J. Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, sections 2.3.5 (d_z) and 2.4 (number
of users); W. C. Guenther, "Sample Size Formulas for Normal Theory T Tests", The American Statistician, 1981.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from scipy.stats import norm, ttest_ind

from shoptalk.constants import POWER, SIGNIFICANCE
from shoptalk.evaluation.bootstrap import RESAMPLES, Floats
from shoptalk.evaluation.paired import differences, holm
from shoptalk.evaluation.randomisation import FLIPS, randomise
from shoptalk.results import Comparison, Difference

#: Two values of a user that are no further apart are equal: means over seeds are rounded.
_SAME = 1e-12


def compare_pairs(
    methods: Mapping[str, Mapping[str, Floats]], *, resamples: int = RESAMPLES, flips: int = FLIPS, seed: int = 1
) -> list[Comparison]:
    """Every pair of methods by every metric, the metrics one after the other.

    Parameters
    ----------
    methods
        For each method the same metrics, (N,) values of the same users in the same order. A user without a value
        somewhere is left out everywhere.
    """
    pairs = list(combinations(methods, 2))
    if not pairs:
        return []
    cells = [(metric, *pair) for metric in methods[pairs[0][0]] for pair in pairs]
    table = np.stack([methods[one][metric] - methods[other][metric] for metric, one, other in cells], axis=1)
    table = table[~np.isnan(table).any(axis=1)]
    table[np.abs(table) <= _SAME] = 0
    spread = differences(table, resamples=resamples, seed=seed)
    p = randomise(table, flips=flips, seed=seed).tolist()
    corrected = [value for start in range(0, len(p), len(pairs)) for value in holm(p[start : start + len(pairs)])]
    return [
        _comparison(cell, column, found, exact, together, len(pairs))
        for cell, column, found, exact, together in zip(cells, table.T, spread, p, corrected, strict=True)
    ]


def standardised(column: Floats) -> float:
    """Cohen's d_z of N paired differences: mean / standard deviation; NaN where that is 0 but the mean is not."""
    if len(column) < 2:
        return math.nan
    mean, spread = float(column.mean()), float(column.std(ddof=1))
    if spread <= _SAME:
        return 0.0 if mean == 0 else math.nan
    return mean / spread


def users_needed(effect: float, level: float = SIGNIFICANCE, power: float = POWER) -> int | None:
    """How many users a two-sided paired test needs to find d_z = ``effect`` with this power; None for no effect.

    n = ((z(1 - level / 2) + z(power)) / d_z)² + z(1 - level / 2)² / 2, where the last term (Guenther's) pays for the
    standard deviation being estimated.
    """
    if not effect or math.isnan(effect):
        return None
    surely, often = float(norm.ppf(1 - level / 2)), float(norm.ppf(power))
    return math.ceil(((surely + often) / effect) ** 2 + surely**2 / 2)


def seeds_p(one: Sequence[float], other: Sequence[float]) -> float:
    """P value of Welch's t test between the seeds of two methods; NaN where one has fewer than two, or none differ.

    A difference over users is one of these trained models; this asks whether it is one of the recipes.
    """
    if min(len(one), len(other)) < 2 or max(np.ptp(one), np.ptp(other)) <= _SAME:
        return math.nan
    return float(ttest_ind(one, other, equal_var=False).pvalue)


def _comparison(
    cell: tuple[str, str, str], column: Floats, found: Difference, p: float, p_holm: float, pairs: int
) -> Comparison:
    metric, one, other = cell
    effect = standardised(column)
    wins, losses = (float(share.mean()) if len(column) else math.nan for share in (column > 0, column < 0))
    return Comparison(
        one=one,
        other=other,
        metric=metric,
        difference=found.difference,
        low=found.low,
        high=found.high,
        p=found.p,
        p_randomisation=p,
        p_holm=p_holm,
        effect=effect,
        wins=wins,
        losses=losses,
        ties=1 - wins - losses,
        n=found.n,
        # At the level that Holm asks of the smallest p value: never fewer users than were not enough.
        users_needed=None if p_holm < SIGNIFICANCE else users_needed(effect, SIGNIFICANCE / pairs),
    )
