"""Paired differences: by hand for small cases, and calibrated for random ones."""

import math

import numpy as np
import pytest

from shoptalk.evaluation.paired import compare, compare_all, holm
from shoptalk.results import as_json


def test_two_users_by_hand() -> None:
    # Differences 1 and 3, so d = 2. Two users drawn: both first (1/4): 1; one of each (1/2): 2; both second (1/4): 3.
    # |d* - 2| is at most 1, never the observed 2: only the added 1 counts.
    result = compare([2.0, 3.0], [1.0, 0.0], resamples=999)
    assert (result.difference, result.low, result.high, result.n) == (2, 1, 3, 2)
    assert result.p == (1 + 0) / (1 + 999)


def test_a_difference_that_one_user_makes_is_not_significant() -> None:
    # Differences 0, 0, 0, 4: d = 1. |d* - 1| >= 1 when the user with 4 is drawn never (d* = 0) or twice or more
    # (d* >= 2), that is unless exactly once: 1 - 4 * (1/4) * (3/4)^3 = 1 - 27/64.
    result = compare([0, 0, 0, 4], [0, 0, 0, 0], resamples=20_000)
    assert result.p == pytest.approx(1 - 27 / 64, abs=0.015)  # 4 standard errors of 20,000 draws


def test_equal_methods_and_empty_cases() -> None:
    same = compare([0.5, 0.1, 0.9], [0.5, 0.1, 0.9], resamples=100)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    nobody = compare([math.nan], [1.0])
    assert (math.isnan(nobody.difference), math.isnan(nobody.p), nobody.n) == (True, True, 0)
    single = compare([1.0], [0.5])
    assert (single.difference, math.isnan(single.low), math.isnan(single.p), single.n) == (0.5, True, True, 1)
    with pytest.raises(ValueError, match="2 values cannot be paired with 1"):
        compare([1.0, 2.0], [1.0])


def test_a_pair_with_a_nan_is_left_out() -> None:
    result = compare([1.0, math.nan, 0.0], [0.0, 0.0, math.nan], resamples=100)
    assert (result.difference, result.n) == (1, 1)


def test_swapping_the_methods_changes_the_sign_alone() -> None:
    generator = np.random.default_rng(3)
    first, second = generator.random(50), generator.random(50)
    there, back = compare(first, second), compare(second, first)
    assert there.difference == -back.difference
    assert there.p == back.p
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_the_seed_decides() -> None:
    generator = np.random.default_rng(3)
    first, second = generator.random(50), generator.random(50)
    assert compare(first, second, seed=1) == compare(first, second, seed=1)
    assert compare(first, second, seed=1) != compare(first, second, seed=2)


def test_users_are_drawn_with_all_their_cases() -> None:
    """Ten copies of each case say nothing new: as users they are ignored, as cases they would shrink the interval."""
    generator = np.random.default_rng(4)
    values = generator.normal(0.1, 1, 40)
    users = [str(number) for number in range(40) for _ in range(10)]
    wide = compare(values, np.zeros(40))
    copied = compare(np.repeat(values, 10), np.zeros(400), users=users)
    assert copied.n == 40
    assert copied.high - copied.low == pytest.approx(wide.high - wide.low, rel=0.1)
    narrow = compare(np.repeat(values, 10), np.zeros(400))
    assert narrow.high - narrow.low < 0.5 * (wide.high - wide.low)


def test_p_is_uniform_where_there_is_no_difference() -> None:
    """Hits and misses of two methods that are equally good: of 600 tests, 5 % are below .05, and half below .5."""
    generator = np.random.default_rng(5)
    p = []
    for seed in range(600):
        first, second = (generator.random((2, 150)) < 0.3).astype(float)
        p.append(compare(first, second, resamples=300, seed=seed).p)
    # Binomial: 600 * .05 = 30 +- 5.3 and 600 * .5 = 300 +- 12.2; three standard deviations, and one more for what is
    # discrete in hits.
    assert 30 - 21 <= sum(value < 0.05 for value in p) <= 30 + 21
    assert 300 - 49 <= sum(value < 0.5 for value in p) <= 300 + 49


def test_a_real_difference_is_found() -> None:
    generator = np.random.default_rng(6)
    easy = generator.random(2000)  # how easy a user is for both methods
    result = compare((easy < 0.33).astype(float), (easy < 0.30).astype(float))
    assert result.p == 1 / 1001  # unpaired, two shares of .33 and .30 over 2,000 would be two standard errors apart
    assert 0 < result.low < result.difference < result.high


def test_holm() -> None:
    # Sorted: .01 * 4, .02 * 3, .03 * 2, .04 * 1; each at least what came before.
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []
    corrected = holm([0.01, math.nan])
    assert corrected[0] == 0.01  # a comparison that was not made needs no correction
    assert math.isnan(corrected[1])


def test_several_methods_at_once() -> None:
    generator = np.random.default_rng(7)
    values = {"recall@10": generator.random(300), "ndcg@10": generator.random(300)}
    values["recall@10"][0] = values["ndcg@10"][0] = math.nan
    references = {
        name: {metric: column - gap for metric, column in values.items()}
        for name, gap in (("worse", 0.1), ("same", 0.0))
    }
    result = compare_all(values, references, resamples=199)
    assert result["worse"]["recall@10"].n == 299
    assert result["worse"]["recall@10"].difference == pytest.approx(0.1)
    assert (result["worse"]["ndcg@10"].p, result["worse"]["ndcg@10"].p_holm) == (1 / 200, 2 / 200)
    assert as_json(result["same"]["ndcg@10"]) == {"difference": 0, "low": 0, "high": 0, "p": 1, "n": 299, "p_holm": 1}
    assert "p_holm" not in as_json(compare([1.0, 2.0], [1.0, 0.0]))
    assert compare_all(values, {}) == {}
