"""The randomisation test: all flips by hand, compared with scipy, and calibrated without a difference."""

import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import permutation_test

from shoptalk.evaluation.randomisation import FLIPS, randomise


def test_three_users_by_hand() -> None:
    # 1, 2, 3 sum to 6. Of the eight ways to sign them only +1+2+3 and -1-2-3 are as far from 0.
    assert randomise(np.array([[1.0], [2.0], [3.0]])) == [2 / 8]
    # 1, 2, -1 sum to 2: |+-1 +-2 +-1| is 4, 2, 2, 0 and the same with the other sign, so 6 of 8 are at least 2.
    assert randomise(np.array([[1.0], [2.0], [-1.0]])) == [6 / 8]


@pytest.mark.parametrize("users", [1, 5, 11])
def test_all_flips_are_enumerated(users: int) -> None:
    column = np.random.default_rng(users).normal(0.4, 1, users)
    ways = [abs(np.dot(signs, column)) for signs in product((1, -1), repeat=users)]
    expected = np.mean(np.array(ways) >= abs(column.sum()) - 1e-12)
    assert randomise(column[:, None])[0] == expected
    assert randomise(column[:, None], seed=2)[0] == expected  # nothing is drawn


def test_several_metrics_share_their_flips_and_change_nothing() -> None:
    table = np.random.default_rng(1).normal(0.1, 1, (60, 3))
    together = randomise(table, flips=2000, seed=4)
    assert together.tolist() == [randomise(table[:, [index]], flips=2000, seed=4)[0] for index in range(3)]


@pytest.mark.parametrize("users", [9, 300])
def test_it_is_the_test_of_scipy(users: int) -> None:
    column = np.random.default_rng(users).choice([-1.0, 0, 0, 0, 1, 1], users)
    scipy_p = permutation_test(
        (column,),
        lambda x, axis: x.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=FLIPS,
        rng=np.random.default_rng(1),
    ).pvalue
    # Two estimates from 10,000 flips each: four standard errors of their difference. Small ones are exact.
    assert randomise(column[:, None])[0] == pytest.approx(
        scipy_p, abs=4 * math.sqrt(2 * scipy_p * (1 - scipy_p) / FLIPS)
    )


def test_users_without_a_difference_count_for_nothing() -> None:
    column = np.array([1.0, 1, 1, 1, -1])
    padded = np.concatenate([column, np.zeros(5000)])
    # Of 2^5 ways, 2 * (1 + 5) have at least four of one sign.
    assert randomise(column[:, None])[0] == randomise(padded[:, None])[0] == 12 / 32


def test_a_metric_in_which_few_differ_is_enumerated_beside_one_in_which_many_do() -> None:
    many = np.random.default_rng(2).normal(0.1, 1, 500)
    few = np.zeros(500)
    few[100:104] = 1
    p = randomise(np.stack([many, few], axis=1))
    assert p.tolist() == [randomise(many[:, None])[0], 2 / 16]


def test_nobody_and_no_difference() -> None:
    assert np.isnan(randomise(np.empty((0, 2)))).all()
    assert randomise(np.zeros((7, 1))) == [1]
    assert randomise(np.array([[0.3]])) == [1]  # one user's sign says nothing


def test_p_is_never_zero_and_equal_sums_count_in_any_order() -> None:
    assert randomise(np.ones((500, 1)), flips=999) == [1 / 1000]
    fractions = np.repeat([0.1, 0.2, 0.7, -0.3], 3)  # sums of these differ in their last bits
    p = randomise(fractions[:, None])[0]
    assert p == randomise(fractions[::-1, None])[0] == randomise(-fractions[:, None])[0]


@pytest.mark.parametrize("users", [8, 150])
def test_under_no_difference_p_is_below_a_twentieth_in_a_twentieth(users: int) -> None:
    """600 comparisons of two equally good methods: 30 +- 5.3 of them, three standard deviations."""
    generator = np.random.default_rng(users)
    p = np.array([
        randomise(generator.normal(0, 1, (users, 1)), flips=400, seed=seed)[0] for seed in range(600)
    ])  # fmt: skip
    assert 30 - 16 <= (p <= 0.05).sum() <= 30 + 16
    assert 300 - 37 <= (p <= 0.5).sum() <= 300 + 37


def test_hits_of_equally_good_methods_are_not_told_apart_too_often() -> None:
    """Hits are 0 or 1, so that p has few values: it is at most, and not exactly, 5 % of 600."""
    generator = np.random.default_rng(5)
    hits = (generator.random((600, 2, 150)) < 0.3).astype(float)
    p = [randomise((first - second)[:, None], flips=400, seed=seed)[0] for seed, (first, second) in enumerate(hits)]
    assert sum(value < 0.05 for value in p) <= 30 + 16
