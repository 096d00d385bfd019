"""Helpers with which checks build findings."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from shoptalk.constants import CONFIDENCE
from shoptalk.results import Finding, NotChecked, Severity
from shoptalk.schema import Estimate

__all__ = ["Finding", "NotChecked", "Severity", "share", "shorten"]


def finding_above(
    check: str, size: Estimate, limit: float, says: str, *, severity: Severity = "warn", example: str = "", do: str = ""
) -> Finding:
    """A finding of the given severity if the whole interval lies above the limit, else of severity ``info``."""
    if size.low > limit:
        return Finding(check, severity, says, size, example, do)
    return Finding(check, "info", says, size, example)


def share(flags: ArrayLike) -> Estimate:
    """The share of True among N flags, with Wilson's interval; NaN and ``n`` 0 where N is 0.

    Source: E. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    """
    mask = np.asarray(flags, dtype=np.bool_)
    count, total = int(mask.sum()), len(mask)
    if not total:
        return Estimate(np.nan, np.nan, np.nan, 0)
    value, z = count / total, float(ndtri((1 + CONFIDENCE) / 2))
    centre = (2 * total * value + z**2) / (2 * (total + z**2))
    half_width = z / (2 * (total + z**2)) * math.sqrt(4 * total * value * (1 - value) + z**2)
    low = 0.0 if count == 0 else centre - half_width
    high = 1.0 if count == total else centre + half_width
    return Estimate(value, low, high, total)


def shorten(text: str, most: int = 90) -> str:
    """A text cut to at most ``most`` characters, for use in an example."""
    return text if len(text) <= most else text[: most - 1] + "…"


def corrected_low(size: Estimate, comparisons: int) -> float:
    """The lower bound of an estimate, widened for several comparisons (Bonferroni, as for a normal distribution)."""
    factor = float(ndtri(1 - (1 - CONFIDENCE) / 2 / max(1, comparisons)) / ndtri((1 + CONFIDENCE) / 2))
    return size.value - (size.value - size.low) * factor
