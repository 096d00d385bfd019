"""Comparisons of pairs of methods: by hand, against published numbers of users, and with Holm's correction."""

import math

import numpy as np
import pytest

from shoptalk.constants import SIGNIFICANCE
from shoptalk.evaluation.comparison import compare_pairs, seeds_p, standardised, users_needed
from shoptalk.results import as_json


def test_two_methods_by_hand() -> None:
    methods = {"a": {"recall@10": np.array([1.0, 1, 1, 0])}, "b": {"recall@10": np.array([0.0, 0, 1, 1])}}
    (result,) = compare_pairs(methods)
    assert (result.one, result.other, result.metric, result.n) == ("a", "b", "recall@10", 4)
    assert result.difference == (1 + 1 + 0 - 1) / 4
    assert (result.wins, result.losses, result.ties) == (2 / 4, 1 / 4, 1 / 4)
    # Mean 1/4; squared distances 9/16 + 9/16 + 1/16 + 25/16 = 44/16, over 3.
    assert result.effect == pytest.approx((1 / 4) / math.sqrt(44 / 16 / 3))
    # |+-1 +-1 +-1| is at least 1 in all eight ways.
    assert (result.p_randomisation, result.p_holm) == (1, 1)
    assert result.low <= result.difference <= result.high
    assert result.users_needed == users_needed(result.effect)
    assert as_json(result).keys() == {
        "one", "other", "metric", "difference", "low", "high", "p", "p_randomisation", "p_holm", "effect", "wins",
        "losses", "ties", "n", "users_needed",
    }  # fmt: skip


@pytest.mark.parametrize(("effect", "users"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_users_needed_are_those_of_the_tables(effect: float, users: int) -> None:
    """G*Power 3.1, two-sided paired t test, alpha .05, power .80: Cohen's small, medium and large effect."""
    assert users_needed(effect) == users_needed(-effect) == users


def test_users_needed_by_the_formula() -> None:
    # ((1.959964 + 0.841621) / 0.5)^2 + 1.959964^2 / 2 = 31.3955 + 1.9207 = 33.3162
    assert users_needed(0.5) == math.ceil(33.3162)
    assert users_needed(0.5, level=0.05 / 3) > users_needed(0.5)  # a stricter test needs more
    assert users_needed(0.5, power=0.9) > users_needed(0.5)
    assert users_needed(0) is users_needed(math.nan) is None


def test_the_users_needed_are_enough() -> None:
    """Simulated: with as many users as are said to be needed, four tests in five find d_z = 0.5."""
    generator = np.random.default_rng(2)
    none = {"recall@10": np.zeros(users_needed(0.5))}
    result = sum(
        compare_pairs({"a": {"recall@10": generator.normal(0.5, 1, 34)}, "b": none}, resamples=100, flips=500)[0].p_holm
        < SIGNIFICANCE
        for _ in range(400)
    )
    assert result / 400 == pytest.approx(0.8, abs=0.06)  # three standard errors of 400 draws


def test_effects_at_their_limits() -> None:
    assert standardised(np.array([2.0, 4.0])) == pytest.approx(3 / math.sqrt(2))
    assert standardised(np.zeros(5)) == 0
    assert math.isnan(standardised(np.ones(5)))  # no spread to measure by
    assert math.isnan(standardised(np.array([1.0])))


def test_holm_counts_the_pairs_of_a_metric() -> None:
    generator = np.random.default_rng(3)
    easy = generator.random(200)
    methods = {
        name: {"recall@10": easy + generator.normal(gain, 0.5, 200), "mrr@10": easy + generator.normal(0, 0.5, 200)}
        for name, gain in (("a", 0.0), ("b", 0.05), ("c", 0.4))
    }
    result = compare_pairs(methods, flips=999)
    assert [(comparison.metric, comparison.one, comparison.other) for comparison in result] == [
        (metric, *pair) for metric in ("recall@10", "mrr@10") for pair in (("a", "b"), ("a", "c"), ("b", "c"))
    ]
    recall = result[:3]
    # a - c and b - c are far apart (1/1000 each, times 3 and then at least as much); a - b is corrected by nothing.
    assert [comparison.p_holm for comparison in recall] == pytest.approx(
        [recall[0].p_randomisation, 3 / 1000, 3 / 1000]
    )
    assert recall[0].users_needed > recall[0].n
    assert [comparison.users_needed for comparison in recall[1:]] == [None, None]


def test_where_a_difference_is_not_found_more_users_are_needed() -> None:
    generator = np.random.default_rng(4)
    for seed in range(40):
        methods = {
            name: {"accuracy": generator.random(300) + gain} for name, gain in (("a", 0), ("b", 0.03), ("c", 0.06))
        }
        for comparison in compare_pairs(methods, resamples=100, flips=2000, seed=seed):
            assert (
                comparison.users_needed is None
                if comparison.p_holm < SIGNIFICANCE
                else comparison.users_needed > comparison.n
            )


def test_all_pairs_together_err_in_a_twentieth() -> None:
    """Of 300 comparisons of three equally good methods, at most 5 % find any difference after Holm."""
    generator = np.random.default_rng(5)
    wrong = sum(
        any(
            comparison.p_holm < SIGNIFICANCE
            for comparison in compare_pairs(
                {name: {"accuracy": generator.normal(0, 1, 100)} for name in "abc"}, resamples=100, flips=500, seed=seed
            )
        )
        for seed in range(300)
    )
    assert wrong <= 15 + 3 * math.sqrt(300 * 0.05 * 0.95)


def test_rounding_is_no_difference() -> None:
    thirds = np.mean([np.full(4, 0.1), np.full(4, 0.2), np.full(4, 0.3)], axis=0)
    (result,) = compare_pairs({"a": {"mrr@10": thirds}, "b": {"mrr@10": np.full(4, 0.2)}})
    assert (result.difference, result.ties, result.p_randomisation, result.effect) == (0, 1, 1, 0)


def test_nobody_nothing_and_no_truth() -> None:
    assert compare_pairs({"a": {"accuracy": np.ones(3)}}) == []
    (result,) = compare_pairs({"a": {"accuracy": np.array([1.0, math.nan])}, "b": {"accuracy": np.array([0.0, 1.0])}})
    assert (result.n, result.difference, result.wins) == (1, 1, 1)
    (nobody,) = compare_pairs({"a": {"accuracy": np.array([math.nan])}, "b": {"accuracy": np.array([1.0])}})
    assert (nobody.n, nobody.users_needed, math.isnan(nobody.p_holm)) == (0, None, True)


def test_seeds() -> None:
    # Welch: means 2 and 5, variances 1 and 1, t = -3 / sqrt(2/3) = -3.674 with 4 degrees of freedom: p = .0213.
    assert seeds_p([1, 2, 3], [4, 5, 6]) == pytest.approx(0.0213, abs=1e-4)
    assert math.isnan(seeds_p([1], [4, 5, 6]))
    assert math.isnan(seeds_p([1, 1], [2, 2]))
