"""Whether a model that says "90 % sure" is right in 90 % of such cases.

Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017:
ECE = sum over bins b of (n_b / n) * |accuracy_b - confidence_b|, with bins of equal width over [0, 1].
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoptalk.evaluation.bootstrap import Floats
from shoptalk.results import CalibrationBin

BINS = 15


def softmax(scores: Floats) -> Floats:
    """Shares that sum to 1 over the last axis: exp(s - max) / sum(exp(s - max)).

    ``-inf`` gets no share. Where the best are infinite, they share everything equally.
    """
    best = scores.max(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", over="ignore"):  # inf - inf, which the comparison replaces
        powers = np.exp(np.where(scores == best, 0.0, scores - best))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = BINS) -> float:
    """Mean distance between confidence and accuracy over bins, in [0, 1]; NaN without cases.

    Parameters
    ----------
    confidence
        N numbers in [0, 1]: the share that the chosen option got.
    correct
        N numbers in [0, 1]: 1 right, 0 wrong, 1/m right among m tied.
    """
    parts = calibration_parts(confidence, correct, bins)
    return float(error_of_sums(parts.sum(axis=0, keepdims=True))[0]) if len(parts) else float("nan")


def calibration_parts(confidence: ArrayLike, correct: ArrayLike, bins: int = BINS) -> Floats:
    """What each case adds to the sums that make ECE, ``(N, bins + 1)``: correct - confidence in its bin, and 1."""
    surplus = np.asarray(correct, dtype=np.float64) - np.asarray(confidence, dtype=np.float64)
    parts = np.zeros((len(surplus), bins + 1))
    parts[np.arange(len(surplus)), _bin(confidence, bins)] = surplus
    parts[:, -1] = 1
    return parts


def error_of_sums(sums: Floats) -> Floats:
    """ECE of R rows of summed ``calibration_parts``: ``(R, bins + 1)`` to R values."""
    return np.asarray(np.abs(sums[:, :-1]).sum(axis=1) / sums[:, -1])


def reliability(confidence: ArrayLike, correct: ArrayLike, bins: int = BINS) -> list[CalibrationBin]:
    """The rows of a reliability diagram, one per bin, empty ones too."""
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    index = _bin(sure, bins)
    cases = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0 / 0 in an empty bin
        mean_sure = np.bincount(index, weights=sure, minlength=bins) / cases
        mean_right = np.bincount(index, weights=right, minlength=bins) / cases
    return [
        CalibrationBin(b / bins, (b + 1) / bins, int(cases[b]), float(mean_sure[b]), float(mean_right[b]))
        for b in range(bins)
    ]


def _bin(confidence: ArrayLike, bins: int) -> NDArray[np.int64]:
    """Places of the right-closed bins; a hair is taken off first, so that 0.2 computed as 0.2 + 1e-16 stays below."""
    scaled = np.asarray(confidence, dtype=np.float64) * bins
    return np.clip(np.ceil(scaled - 1e-9) - 1, 0, bins - 1).astype(np.int64)
