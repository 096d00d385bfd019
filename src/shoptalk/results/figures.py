"""Estimates over users: metrics by name, and paired differences."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from shoptalk.schema import Estimate
from shoptalk.typed_json import ABSENT

#: Metrics by name, as in ``recall@10``.
Metrics = Mapping[str, Estimate]


NOT_MEASURED = Estimate(math.nan, math.nan, math.nan, 0)


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference: the model minus a baseline, over the same users.

    Attributes
    ----------
    difference
        The mean difference.
    low, high
        Its 95 % interval.
    p
        Two-sided p value of the paired bootstrap.
    n
        Number of users.
    p_holm
        The p value corrected for several comparisons; absent for a single comparison.
    """

    difference: float
    low: float
    high: float
    p: float
    n: int
    p_holm: float | None = field(default=None, metadata=ABSENT)

    @property
    def corrected(self) -> float:
        """The corrected p value if there is one, else the p value."""
        return self.p if self.p_holm is None else self.p_holm


@dataclass(frozen=True, slots=True)
class Comparison:
    """``one`` minus ``other`` by one metric, over the same users.

    Attributes
    ----------
    one, other
        The names of the two recipes.
    metric
        The metric.
    difference
        The mean difference.
    low, high
        Its 95 % interval.
    p
        Two-sided p value of the paired bootstrap.
    p_randomisation
        Two-sided p value of the paired randomisation test.
    p_holm
        ``p_randomisation`` corrected for the number of pairs; decide by it.
    effect
        The standardised difference d_z: the mean over the standard deviation of the users' differences.
    wins, losses, ties
        The share of users for whom ``one`` is better, worse or equal.
    n
        Number of users.
    users_needed
        Number of users with which a difference of this size is significant with a power of 80 %; null if it is
        significant already, or if there is no difference.
    """

    one: str
    other: str
    metric: str
    difference: float
    low: float
    high: float
    p: float
    p_randomisation: float
    p_holm: float
    effect: float
    wins: float
    losses: float
    ties: float
    n: int
    users_needed: int | None
