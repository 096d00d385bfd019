"""Calibration: from a ranker's scores to the probability that a candidate is the next item.

M. Kull, T. Silva Filho, P. Flach, "Beta calibration: a well-founded and easily implemented improvement on logistic
calibration for binary classifiers", AISTATS 2017. A temperature alone does not help where probabilities are right on
average and wrong in shape, as those of LambdaMART are (``docs/notes/second-stage.md``).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoptalk.constants import DEFAULT_K
from shoptalk.graph.interactions import Ints

#: The least that a slope is, so that better candidates keep higher probabilities.
LEAST_SLOPE = 0.01
#: Probabilities stay that far from 1 before the map, and the coverage from 0.
MARGIN, LEAST_COVERAGE = 1e-9, 1e-4


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns a ranker's scores into probabilities.

    With p the softmax of the scores over the pool, the probability that a candidate is the next item is coverage * q,
    logit q = lower_slope * log p - upper_slope * log(1 - p) + intercept. The default is q = p.

    Each candidate is calibrated by itself, so the probabilities of one pool need not sum to the coverage.

    Attributes
    ----------
    lower_slope, upper_slope, intercept
        Of the map, which rises with p.
    coverage
        Share of targets that are in their pool.
    """

    lower_slope: float = 1.0
    upper_slope: float = 1.0
    intercept: float = 0.0
    coverage: float = 1.0

    def log_probabilities(self, scores: NDArray[np.float64], sizes: Ints) -> NDArray[np.float64]:
        """(P,) log-probabilities of candidates with the given scores, in pools of the given sizes."""
        log_p = np.minimum(log_softmax(scores, sizes), -MARGIN)
        log_odds = self.lower_slope * log_p - self.upper_slope * np.log(-np.expm1(log_p)) + self.intercept
        return np.asarray(-np.logaddexp(0.0, -log_odds) + np.log(max(self.coverage, LEAST_COVERAGE)))


#: The softmax as it is.
UNCALIBRATED = Calibration()


@dataclass(frozen=True, slots=True)
class FirstCandidates:
    """The first candidates of B cases with a target among their candidates.

    Attributes
    ----------
    uncalibrated, calibrated
        (B,) probability of the first candidate, given that the target is a candidate, without and with the map.
    correct
        (B,) whether it is a target.
    """

    uncalibrated: NDArray[np.float64]
    calibrated: NDArray[np.float64]
    correct: NDArray[np.bool_]


def fit_calibration(scores: NDArray[np.float64], label: NDArray[np.bool_], sizes: Ints) -> Calibration:
    """Minimise the cross-entropy of the first ten candidates of each pool; the coverage is left out.

    Parameters
    ----------
    scores, label
        (P,) of candidates, by rankers that have not learned from them, and whether they are targets.
    sizes
        (B,) candidates of each pool.
    """
    from scipy.optimize import minimize

    first = _first(scores, sizes, DEFAULT_K)
    if not len(first):
        return UNCALIBRATED
    log_p = np.minimum(log_softmax(scores, sizes)[first], -MARGIN)
    features = np.stack([log_p, -np.log(-np.expm1(log_p)), np.ones_like(log_p)], axis=1)
    wanted = label[first].astype(np.float64)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Mean cross-entropy, and its gradient."""
        log_odds = features @ weights
        value = (np.logaddexp(0.0, log_odds) - wanted * log_odds).mean()
        return float(value), (np.exp(-np.logaddexp(0.0, -log_odds)) - wanted) @ features / len(wanted)

    bounds = [(LEAST_SLOPE, None), (LEAST_SLOPE, None), (None, None)]
    found = minimize(loss, [1.0, 1.0, 0.0], jac=True, method="L-BFGS-B", bounds=bounds)
    return Calibration(*found.x.tolist())


def check_calibration(scores: NDArray[np.float64], label: NDArray[np.bool_], sizes: Ints) -> FirstCandidates:
    """The first candidate of each pool; every second pool is calibrated with the map that the others give.

    See `fit_calibration` for the parameters.
    """
    calibrated = np.empty(len(sizes))
    even = np.arange(len(sizes)) % 2 == 0
    for fitted, measured in ((even, ~even), (~even, even)):
        fit_rows, rows = np.repeat(fitted, sizes), np.repeat(measured, sizes)
        calibration = fit_calibration(scores[fit_rows], label[fit_rows], sizes[fitted])
        first = _first(scores[rows], sizes[measured], 1)
        calibrated[measured] = calibration.log_probabilities(scores[rows], sizes[measured])[first]
    first = _first(scores, sizes, 1)
    return FirstCandidates(np.exp(log_softmax(scores, sizes)[first]), np.exp(calibrated), label[first])


def log_softmax(scores: NDArray[np.float64], sizes: Ints) -> NDArray[np.float64]:
    """(P,) log-probabilities within groups of the given sizes, some of which may be empty."""
    filled = sizes[sizes > 0]
    if not len(filled):
        return np.empty(0)
    starts = np.cumsum(filled) - filled
    shifted = scores - np.repeat(np.maximum.reduceat(scores, starts), filled)
    return np.asarray(shifted - np.repeat(np.log(np.add.reduceat(np.exp(shifted), starts)), filled))


def _first(scores: NDArray[np.float64], sizes: Ints, count: int) -> Ints:
    """The ``count`` best candidates of each pool; of equal ones the first in the catalogue."""
    row = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((-scores, row))
    position = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order[position < count]
