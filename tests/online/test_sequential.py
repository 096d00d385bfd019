"""Intervals that hold at all times: by hand, and by watching simulated experiments every hour."""

import math

import numpy as np
import pytest

from shoptalk.online.sample_ratio import ALPHA, Period, sample_ratio
from shoptalk.online.sequential import (
    Count,
    detectable_difference,
    difference_interval,
    judge,
    rate_evidence,
    rate_interval,
    users_needed,
)

HOURS, USERS_PER_HOUR, EXPERIMENTS = 14 * 24, 12, 200


def watched(rate_one: float, rate_other: float, seed: int) -> list[list[tuple[Count, Count]]]:
    """Simulated experiments, each as the counts of both arms at every hour."""
    generator = np.random.default_rng(seed)
    shape = (EXPERIMENTS, HOURS)
    counts = []
    for rate in (rate_one, rate_other):
        users = generator.poisson(USERS_PER_HOUR, size=shape)
        counts += [np.cumsum(generator.binomial(users, rate), axis=1), np.cumsum(users, axis=1)]
    return [
        [(Count(int(a), int(b)), Count(int(c), int(d))) for a, b, c, d in zip(*rows, strict=True)]
        for rows in zip(*counts, strict=True)
    ]


def different(looks: list[tuple[Count, Count]]) -> bool:
    return any(judge(one, other) in ("better", "worse") for one, other in looks)


def test_of_200_experiments_without_difference_at_most_5_percent_are_called_different() -> None:
    for seed, rate in ((1, 0.05), (2, 0.3)):
        experiments = watched(rate, rate, seed)
        assert sum(map(different, experiments)) <= 0.05 * EXPERIMENTS

    def naive(looks: list[tuple[Count, Count]]) -> bool:
        """An ordinary test at every look: the error that this module avoids."""
        for one, other in looks:
            if one.enough and other.enough:
                variance = one.rate * (1 - one.rate) / one.n + other.rate * (1 - other.rate) / other.n
                if abs(one.rate - other.rate) > 1.96 * math.sqrt(variance):
                    return True
        return False

    assert sum(map(naive, experiments)) > 0.2 * EXPERIMENTS


def test_a_true_effect_is_found_in_the_right_direction() -> None:
    experiments = watched(0.08, 0.05, 3)  # about 4,000 users in each arm at the end
    verdicts = [
        next((verdict for one, other in looks if (verdict := judge(one, other)) in ("better", "worse")), "none")
        for looks in experiments
    ]
    assert verdicts.count("better") > 0.9 * EXPERIMENTS
    assert verdicts.count("worse") <= 1


def test_a_rate_is_within_its_interval_at_all_times() -> None:
    generator = np.random.default_rng(4)
    for rate in (0.02, 0.4):
        successes = np.cumsum(generator.random((150, 600)) < rate, axis=1)
        left = 0
        for row in successes:
            evidence = (rate_evidence(Count(int(s), n), rate) for n, s in enumerate(row, start=1))
            left += any(value >= math.log(20) for value in evidence)
        assert left <= 0.05 * 150


def test_rate_interval_by_hand() -> None:
    assert rate_interval(Count(0, 0)) == (0.0, 1.0)
    low, high = rate_interval(Count(1, 1))
    # M_1(p) = B(3/2, 1/2) / B(1/2, 1/2) / p = (π/2) / π / p = 1 / (2 p), which is 20 at p = 1/40
    assert (low, high) == (pytest.approx(1 / 40), 1.0)
    assert rate_interval(Count(0, 1)) == (0.0, pytest.approx(39 / 40))
    for count in (Count(30, 1000), Count(0, 500), Count(500, 500), Count(1, 10**6)):
        low, high = rate_interval(count)
        assert 0 <= low <= count.rate <= high <= 1
        if low > 0:
            assert rate_evidence(count, low) == pytest.approx(math.log(20), abs=1e-3)


def test_difference_interval_by_hand() -> None:
    one, other = Count(100, 1000), Count(50, 1000)
    level = -2 * math.log(0.05)  # 5.99
    r2 = (level + math.log(level + 1)) / 10_000
    variance = 0.1 * 0.9 / 1000 + 0.05 * 0.95 / 1000
    t = 2000
    radius = math.sqrt(t * variance) * math.sqrt(
        2 * (t * r2 + 1) / (t**2 * r2) * math.log(math.sqrt(t * r2 + 1) / 0.05)
    )
    assert difference_interval(one, other) == pytest.approx((0.05 - radius, 0.05 + radius))
    assert difference_interval(other, one) == pytest.approx((-0.05 - radius, -0.05 + radius))


def test_the_interval_is_narrowest_where_it_was_planned() -> None:
    counts = Count(500, 5000), Count(500, 5000)
    widths = {planned: difference_interval(*counts, planned=planned)[1] for planned in (100, 1000, 10_000, 10**6)}
    assert min(widths, key=widths.__getitem__) == 10_000


def test_verdicts() -> None:
    assert judge(Count(19, 1000), Count(200, 1000)) == "too_early"
    assert judge(Count(300, 1000), Count(100, 1000)) == "better"
    assert judge(Count(100, 1000), Count(300, 1000)) == "worse"
    assert judge(Count(100, 1000), Count(101, 1000)) == "undecided"
    assert judge(Count(100, 1000), Count(101, 1000), margin=0.1) == "equivalent"


def test_the_detectable_difference_is_detected_in_80_percent() -> None:
    n, rate = 4000, 0.1
    effect = detectable_difference(rate, n, n)
    generator = np.random.default_rng(6)
    one, other = generator.binomial(n, rate + effect, 2000), generator.binomial(n, rate, 2000)
    found = np.mean([judge(Count(int(a), n), Count(int(b), n)) == "better" for a, b in zip(one, other, strict=True)])
    assert 0.72 < found < 0.88
    needed = users_needed(rate, effect)
    assert needed is not None
    assert abs(needed - 2 * n) < 0.01 * 2 * n
    assert math.isnan(detectable_difference(0.0, 10, 10))
    assert users_needed(0.1, 0.0) is None


def test_sample_ratio_by_hand() -> None:
    # One user: O_1 = (A/2) / A / (1/2) = 1. Two in the same arm: (50 · 51) / (100 · 101) / (1/4) = 1.0099
    even = {"a": 0.5, "b": 0.5}
    assert sample_ratio([Period(even, ["a"])]) == pytest.approx(1)
    assert sample_ratio([Period(even, ["a", "a"])]) == pytest.approx(100 * 101 / (50 * 51) / 4)
    assert sample_ratio([Period(even, ["a", "x"])]) == 0
    assert sample_ratio([Period({"a": 1.0, "b": 0.0}, ["b"])]) == 0
    assert sample_ratio([]) == 1


def test_sample_ratio_keeps_its_level_and_finds_losses() -> None:
    generator = np.random.default_rng(7)
    arms = np.array(["a", "b", "c"])

    def p_value(shares: list[float]) -> float:
        first = generator.choice(arms, size=1500, p=shares)
        second = generator.choice(arms, size=1500, p=[0.5, 0.25, 0.25])
        weights = ({"a": 0.2, "b": 0.3, "c": 0.5}, {"a": 0.5, "b": 0.25, "c": 0.25})
        return sample_ratio([Period(weights[0], list(first)), Period(weights[1], list(second))])

    assert sum(p_value([0.2, 0.3, 0.5]) < ALPHA for _ in range(200)) <= 5  # expected below 2
    assert sum(p_value([0.2, 0.4, 0.4]) < ALPHA for _ in range(50)) > 45
