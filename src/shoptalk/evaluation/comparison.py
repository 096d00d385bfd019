"""Comparison of every pair of several methods on the same test users: differences, tests and effect sizes.

The interval and ``p`` are those of the bootstrap (see `paired`); ``p_randomisation`` is exact (see `randomisation`).
``p_holm`` is ``p_randomisation`` corrected for the number of pairs per metric; decide by it.

Sources: J. Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, sections 2.3.5 (d_z) and 2.4 (number
of users); W. C. Guenther, "Sample Size Formulas for Normal Theory T Tests", The American Statistician, 1981.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from scipy.special import ndtri, stdtr

from shoptalk.constants import POWER, SIGNIFICANCE
from shoptalk.evaluation.bootstrap import RESAMPLES, Floats
from shoptalk.evaluation.paired import differences, holm
from shoptalk.evaluation.randomisation import FLIPS, randomise
from shoptalk.results import Comparison, Difference

#: Smaller differences count as 0, because means over seeds are rounded.
_TOLERANCE = 1e-12


def compare_pairs(
    methods: Mapping[str, Mapping[str, Floats]], *, resamples: int = RESAMPLES, flips: int = FLIPS, seed: int = 1
) -> list[Comparison]:
    """Compare every pair of methods by every metric, ordered by metric.

    Parameters
    ----------
    methods
        For each method the same metrics, (N,) values of the same users in the same order. A user with a NaN anywhere
        is left out of all comparisons.
    """
    pairs = list(combinations(methods, 2))
    if not pairs:
        return []
    cells = [(metric, *pair) for metric in methods[pairs[0][0]] for pair in pairs]
    table = np.stack([methods[first][metric] - methods[second][metric] for metric, first, second in cells], axis=1)
    table = table[~np.isnan(table).any(axis=1)]
    table[np.abs(table) <= _TOLERANCE] = 0
    bootstrapped = differences(table, resamples=resamples, seed=seed)
    p_values = randomise(table, flips=flips, seed=seed).tolist()
    corrected = [
        value for start in range(0, len(p_values), len(pairs)) for value in holm(p_values[start : start + len(pairs)])
    ]
    return [
        _comparison(cell, column, difference, p_randomised, p_holm, len(pairs))
        for cell, column, difference, p_randomised, p_holm in zip(
            cells, table.T, bootstrapped, p_values, corrected, strict=True
        )
    ]


def standardised(column: Floats) -> float:
    """Cohen's d_z of N paired differences: mean / standard deviation; NaN where that is 0 but the mean is not."""
    if len(column) < 2:
        return math.nan
    mean, spread = float(column.mean()), float(column.std(ddof=1))
    if spread <= _TOLERANCE:
        return 0.0 if mean == 0 else math.nan
    return mean / spread


def users_needed(effect: float, level: float = SIGNIFICANCE, power: float = POWER) -> int | None:
    """Number of users with which a two-sided paired test detects d_z = ``effect`` with this power.

    n = ((z(1 - level / 2) + z(power)) / d_z)² + z(1 - level / 2)² / 2, where the last term (Guenther's) corrects for
    the estimated standard deviation. None if the effect is 0 or NaN.
    """
    if not effect or math.isnan(effect):
        return None
    z_level, z_power = float(ndtri(1 - level / 2)), float(ndtri(power))
    return math.ceil(((z_level + z_power) / effect) ** 2 + z_level**2 / 2)


def seeds_p(first: Sequence[float], second: Sequence[float]) -> float:
    """P value of Welch's t test between the seeds of two methods; NaN with fewer than two seeds, or without variation.

    A difference over users holds for these trained models; this test asks whether it holds for the recipes.
    """
    if min(len(first), len(second)) < 2 or max(np.ptp(first), np.ptp(second)) <= _TOLERANCE:
        return math.nan
    errors = [float(np.var(values, ddof=1)) / len(values) for values in (first, second)]  # squared
    t = (float(np.mean(first)) - float(np.mean(second))) / math.sqrt(sum(errors))
    freedom = sum(errors) ** 2 / (errors[0] ** 2 / (len(first) - 1) + errors[1] ** 2 / (len(second) - 1))
    return float(2 * stdtr(freedom, -abs(t)))


def _comparison(
    cell: tuple[str, str, str], column: Floats, difference: Difference, p: float, p_holm: float, pairs: int
) -> Comparison:
    """The comparison of one cell (metric, first method, second method)."""
    metric, first, second = cell
    effect = standardised(column)
    wins, losses = (float(share.mean()) if len(column) else math.nan for share in (column > 0, column < 0))
    return Comparison(
        one=first,
        other=second,
        metric=metric,
        difference=difference.difference,
        low=difference.low,
        high=difference.high,
        p=difference.p,
        p_randomisation=p,
        p_holm=p_holm,
        effect=effect,
        wins=wins,
        losses=losses,
        ties=1 - wins - losses,
        n=difference.n,
        # At the level that Holm requires of the smallest p value, so that it is at least the current number of users.
        users_needed=None if p_holm < SIGNIFICANCE else users_needed(effect, SIGNIFICANCE / pairs),
    )
