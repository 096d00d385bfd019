"""Intervals and verdicts that may be looked at any time.

An ordinary 95 % interval holds for one look, planned in advance: whoever looks every hour and stops at the first
significant difference is wrong far more often than in 5 %. A *confidence sequence* contains the true value at all times
at once with probability 95 %, so that it may be looked at, and acted upon, at any time.

**Rates.** The beta-binomial mixture. For S successes in n trials of probability p,

    M_n(p) = B(a + S, b + n - S) / B(a, b) / (p^S (1 - p)^(n - S))

is a nonnegative martingale with mean 1, so that by Ville's inequality P(some n: M_n(p) >= 1/alpha) <= alpha. The
interval contains each p with M_n(p) < 1/alpha. It is exact for every n. Source: H. Robbins, "Statistical methods
related to the law of the iterated logarithm", Annals of Mathematical Statistics 41(5), 1970; S. Howard, A. Ramdas,
J. McAuliffe, J. Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49(2),
2021.

**Differences of two rates.** The asymptotic confidence sequence: with t = n1 + n2 users, the difference d of the rates,
and v = p1 (1 - p1) / n1 + p2 (1 - p2) / n2,

    d ± sqrt(t v) sqrt(2 (t r^2 + 1) / (t^2 r^2) log(sqrt(t r^2 + 1) / alpha))

where r is chosen such that the interval is narrowest at a number of users that is *planned in advance*,
r^2 = (-2 log alpha + log(-2 log alpha + 1)) / planned. It holds in the limit of a late first look, as the central limit
theorem does; therefore nothing is said before both arms have `LEAST_EVENTS` users of either outcome. Source:
I. Waudby-Smith, D. Arbour, R. Sinha, E. Kennedy, A. Ramdas, "Time-uniform central limit theory and asymptotic
confidence sequences", Annals of Statistics 52(6), 2024, theorem 2.2 and section 3 (randomised experiments).
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from scipy.optimize import brentq
from scipy.special import betaln

ALPHA = 0.05
#: The number of users (of both arms) at which the interval of a difference is narrowest, unless it is given.
PLANNED = 10_000
#: Users with and without the event that both arms need before a difference is judged.
LEAST_EVENTS = 20
#: Parameters of the mixing beta distribution (Jeffreys).
_PRIOR = 0.5
_SMALLEST, _PRECISION = 1e-12, 1e-15
_MOST_USERS = 10**12

Judgement = Literal["better", "worse", "equivalent", "undecided", "too_early"]


@dataclass(frozen=True, slots=True)
class Count:
    """``successes`` of ``n`` users."""

    successes: int
    n: int

    @property
    def rate(self) -> float:
        """The share; NaN without users."""
        return self.successes / self.n if self.n else math.nan

    @property
    def enough(self) -> bool:
        """Whether there are enough users of either outcome to judge a difference."""
        return min(self.successes, self.n - self.successes) >= LEAST_EVENTS


def rate_evidence(count: Count, p: float) -> float:
    """The logarithm of the martingale M_n(p): the evidence against the rate p, in nats."""
    failures = count.n - count.successes
    mixture = betaln(_PRIOR + count.successes, _PRIOR + failures) - betaln(_PRIOR, _PRIOR)
    return float(mixture) - _times_log(count.successes, p) - _times_log(failures, 1 - p)


def rate_interval(count: Count, *, alpha: float = ALPHA) -> tuple[float, float]:
    """The confidence sequence of a rate; (0, 1) without users."""
    if not count.n:
        return 0.0, 1.0

    def excess(p: float) -> float:
        return rate_evidence(count, p) + math.log(alpha)

    rate = count.rate
    low, high = 0.0, 1.0
    if count.successes and excess(_SMALLEST) > 0:
        low = float(brentq(excess, _SMALLEST, rate, xtol=_PRECISION))
    if count.successes < count.n and excess(1 - _SMALLEST) > 0:
        high = float(brentq(excess, rate, 1 - _SMALLEST, xtol=_PRECISION))
    return low, high


def difference_interval(
    one: Count, other: Count, *, alpha: float = ALPHA, planned: int = PLANNED
) -> tuple[float, float]:
    """The confidence sequence of ``one`` minus ``other``; (-1, 1) before either arm has enough users."""
    if not (one.enough and other.enough):
        return -1.0, 1.0
    difference = one.rate - other.rate
    radius = _radius(_variance(one.rate, one.n) + _variance(other.rate, other.n), one.n + other.n, alpha, planned)
    return max(difference - radius, -1.0), min(difference + radius, 1.0)


def judge(
    one: Count, other: Count, *, alpha: float = ALPHA, planned: int = PLANNED, margin: float | None = None
) -> Judgement:
    """What is known about ``one`` against ``other``.

    ``equivalent`` is known if the whole interval lies within ± ``margin``. If there is no difference, the probability
    that any look ever gives "better" or "worse" is at most ``alpha``.
    """
    if not (one.enough and other.enough):
        return "too_early"
    low, high = difference_interval(one, other, alpha=alpha, planned=planned)
    if low > 0 or high < 0:
        return "better" if low > 0 else "worse"
    return "equivalent" if margin is not None and -margin < low and high < margin else "undecided"


def detectable_difference(
    rate: float, one: int, other: int, *, alpha: float = ALPHA, planned: int = PLANNED, power: float = 0.8
) -> float:
    """The smallest true difference that a look at these numbers of users finds with probability ``power``.

    It is the half-width of the interval plus the ``power`` quantile of the estimate's error. Looks before that one find
    it too, so that the power of watching is a little higher. NaN without users or without a rate.
    """
    if not (one and other) or not 0 < rate < 1:
        return math.nan
    variance = _variance(rate, one) + _variance(rate, other)
    return _radius(variance, one + other, alpha, planned) + NormalDist().inv_cdf(power) * math.sqrt(variance)


def users_needed(
    rate: float, difference: float, *, share: float = 0.5, alpha: float = ALPHA, planned: int = PLANNED
) -> int | None:
    """The number of users, of both arms, with which a true difference is found with a power of 80 %.

    ``share`` is the share of the first arm. None if there is no difference or no rate, or if it is more than 10^12.
    """
    if not 0 < rate < 1 or not difference or not 0 < share < 1:
        return None

    def found(users: int) -> bool:
        one = round(users * share)
        return detectable_difference(rate, one, users - one, alpha=alpha, planned=planned) <= abs(difference)

    low, high = 1, 64
    while not found(high):
        low, high = high, high * 2
        if high > _MOST_USERS:
            return None
    while high - low > max(1, low // 1000):
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


def _radius(variance: float, users: int, alpha: float, planned: int) -> float:
    """Half the width of the interval of a difference, of which ``variance`` is the estimated variance."""
    level = -2 * math.log(alpha)
    scaled = users * (level + math.log(level + 1)) / planned  # t r^2
    return math.sqrt(variance * 2 * (scaled + 1) / scaled * (0.5 * math.log(scaled + 1) - math.log(alpha)))


def _variance(rate: float, n: int) -> float:
    return rate * (1 - rate) / n


def _times_log(count: int, p: float) -> float:
    """``count * log(p)``, which is 0 without a count, also where p is 0."""
    if not count:
        return 0.0
    return count * math.log(p) if p > 0 else -math.inf
