"""What a check says: how bad, how big, an example, and what to do."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from shoptalk.results import Finding, Severity
from shoptalk.schema import Estimate

__all__ = ["Finding", "Severity", "judged", "share", "shorten"]


def judged(
    check: str, size: Estimate, limit: float, says: str, *, worst: Severity = "warn", example: str = "", do: str = ""
) -> Finding:
    """A finding that speaks up, as ``worst``, where the whole interval lies above a limit; fine otherwise."""
    if size.low > limit:
        return Finding(check, worst, says, size, example, do)
    return Finding(check, "info", says, size, example)


def share(chosen: ArrayLike) -> Estimate:
    """The share of N that are chosen, with Wilson's interval: it holds for millions, and for shares near 0 and 1.

    Source: E. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    """
    picked = np.asarray(chosen, dtype=np.bool_)
    count, whole = int(picked.sum()), len(picked)
    if not whole:
        return Estimate(np.nan, np.nan, np.nan, 0)
    interval = stats.binomtest(count, whole).proportion_ci(method="wilson")
    return Estimate(count / whole, float(interval.low), float(interval.high), whole)


def shorten(text: str, most: int = 90) -> str:
    """A text as it may stand in an example."""
    return text if len(text) <= most else text[: most - 1] + "…"
