"""What a check says: how bad, how big, an example, and what to do."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from shoptalk.schema import Estimate

#: ``fail``: a conclusion would change. ``warn``: a figure needs a word beside it. ``info``: looked at, and fine.
Severity = Literal["fail", "warn", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding; ``size`` is the measured strength of the flaw with its 95 % interval (None: nothing to measure)."""

    check: str
    severity: Severity
    says: str
    size: Estimate | None = None
    example: str = ""
    do: str = ""

    def as_dict(self) -> dict[str, str | float | int | None]:
        """The finding as ``--json`` prints it."""
        size = self.size or Estimate(np.nan, np.nan, np.nan, 0)
        return {"check": self.check, "severity": self.severity, **size.as_dict(), "says": self.says,
                "example": self.example, "do": self.do}  # fmt: skip


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
