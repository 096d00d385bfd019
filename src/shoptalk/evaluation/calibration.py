"""Calibration: whether choices with a confidence of 90 % are right in 90 % of the cases.

Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017:
ECE = sum over bins b of (n_b / n) * |accuracy_b - confidence_b|, with bins of equal width over [0, 1].
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoptalk.evaluation.bootstrap import Floats
from shoptalk.results import CalibrationBin

BINS = 15


def softmax(scores: Floats) -> Floats:
    """Softmax over the last axis: exp(s - max) / sum(exp(s - max)).

    ``-inf`` has probability 0. If the highest scores are infinite, they have equal probabilities that sum to 1.
    """
    best = scores.max(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", over="ignore"):  # inf - inf, which np.where replaces
        exponentials = np.exp(np.where(scores == best, 0.0, scores - best))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = BINS) -> float:
    """Mean distance between confidence and accuracy over bins, in [0, 1]; NaN without cases.

    Parameters
    ----------
    confidence
        N numbers in [0, 1]: the probability of the chosen option.
    correct
        N numbers in [0, 1]: 1 right, 0 wrong, 1/m right among m tied.
    """
    parts = calibration_parts(confidence, correct, bins)
    return float(error_of_sums(parts.sum(axis=0, keepdims=True))[0]) if len(parts) else float("nan")


def calibration_parts(confidence: ArrayLike, correct: ArrayLike, bins: int = BINS) -> Floats:
    """``(N, bins + 1)`` summands of ECE: per case correct - confidence in the column of its bin, and 1 in the last."""
    differences = np.asarray(correct, dtype=np.float64) - np.asarray(confidence, dtype=np.float64)
    parts = np.zeros((len(differences), bins + 1))
    parts[np.arange(len(differences)), _bin(confidence, bins)] = differences
    parts[:, -1] = 1
    return parts


def error_of_sums(sums: Floats) -> Floats:
    """ECE from R rows of summed ``calibration_parts``: ``(R, bins + 1)`` to (R,)."""
    return np.asarray(np.abs(sums[:, :-1]).sum(axis=1) / sums[:, -1])


def reliability(confidence: ArrayLike, correct: ArrayLike, bins: int = BINS) -> list[CalibrationBin]:
    """The rows of a reliability diagram, one per bin, including empty bins."""
    confidences, accuracies = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    index = _bin(confidences, bins)
    cases = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0 / 0 in an empty bin
        mean_confidence = np.bincount(index, weights=confidences, minlength=bins) / cases
        mean_accuracy = np.bincount(index, weights=accuracies, minlength=bins) / cases
    return [
        CalibrationBin(b / bins, (b + 1) / bins, int(cases[b]), float(mean_confidence[b]), float(mean_accuracy[b]))
        for b in range(bins)
    ]


def _bin(confidence: ArrayLike, bins: int) -> NDArray[np.int64]:
    """Indices of right-closed bins, with a tolerance for rounding: 0.2 + 1e-16 is in the bin that ends at 0.2."""
    scaled = np.asarray(confidence, dtype=np.float64) * bins
    return np.clip(np.ceil(scaled - 1e-9) - 1, 0, bins - 1).astype(np.int64)
