"""The choice among measured methods: the simplest that may be as good, and how sure that is."""

from collections.abc import Mapping

import numpy as np
import pytest

from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.choice import Measured, choose_method

SIZES = (50, 100, 200, 400)


def measured(shares: Mapping[str, list[float]], users: int, seed: int = 0) -> Measured:
    """Hits of users: user u has a hit if its own difficulty is below the share, so that methods are paired."""
    difficulty = np.random.default_rng(seed).permutation((np.arange(users) + 0.5) / users)
    values: dict[str, Floats] = {
        name: np.stack([(difficulty < share).astype(float) for share in row]) for name, row in shares.items()
    }
    return Measured(SIZES, tuple(8 * n for n in SIZES), values, dict.fromkeys(values, (0.1,) * 4))


FLAT, GROWING = [0.2] * 4, [0.1, 0.2, 0.3, 0.4]


def test_a_much_better_method_is_sure() -> None:
    choice = choose_method(measured({"simple": FLAT, "other": GROWING}, 400))
    assert (choice.recommended, choice.best, choice.kind) == ("other", "other", "sure")
    assert choice.probability == 1
    assert choice.loss == choice.most_loss == 0
    assert choice.users_needed is None
    simple, other = choice.curves
    assert simple.behind.value == pytest.approx(0.2)
    assert simple.p_holm is not None
    assert simple.p_holm < 0.001
    assert (other.behind.value, other.p_holm) == (0, None)
    assert other.doubled is not None
    assert simple.doubled is not None
    assert other.doubled.value > 0.4 > simple.doubled.value


def test_a_simpler_method_is_preferred_when_the_difference_may_be_noise() -> None:
    rng = np.random.default_rng(3)
    simple, other = (rng.random((1, 200)) < 0.3).astype(float), (rng.random((1, 200)) < 0.3).astype(float)
    if simple.mean() >= other.mean():
        simple, other = other, simple
    data = Measured((400,), (3200,), {"simple": simple, "other": other}, {"simple": (0.1,), "other": (0.1,)})
    choice = choose_method(data)
    assert (choice.recommended, choice.best, choice.kind) == ("simple", "other", "simplest")
    assert 0.05 <= choice.probability < 0.5
    assert 0 < choice.loss < choice.most_loss
    assert choice.users_needed is not None
    assert choice.users_needed > 200
    assert choice.curve_error is None
    assert choice.curves[0].doubled is None


def test_probabilities_add_up_and_equal_methods_count_for_the_simplest() -> None:
    choice = choose_method(measured({"first": GROWING, "copy": GROWING, "worse": FLAT}, 300))
    assert choice.recommended == "first"
    assert [curve.probability for curve in choice.curves] == [1, 0, 0]
    assert sum(curve.probability_doubled or 0 for curve in choice.curves) == pytest.approx(1)


def test_a_method_that_grows_faster_may_overtake_with_more_users() -> None:
    choice = choose_method(measured({"flat": [0.42, 0.42, 0.42, 0.42], "growing": GROWING}, 2000))
    assert choice.best == "flat"
    flat, growing = choice.curves
    assert flat.probability > 0.95
    assert growing.probability_doubled is not None
    assert growing.probability_doubled > 0.8


def test_with_few_users_little_is_said() -> None:
    assert choose_method(measured({"simple": FLAT, "other": GROWING}, 40)).kind == "little"


def test_how_often_it_is_wrong_when_methods_are_equal() -> None:
    """With equal methods, a more complex one is called the best in at most about 5 % of shops."""
    rng, complex_chosen, shops = np.random.default_rng(1), 0, 200
    for _ in range(shops):
        values = {name: (rng.random((1, 100)) < 0.2).astype(float) for name in ("a", "b", "c")}
        data = Measured((400,), (3200,), values, dict.fromkeys(values, (0.1,)))
        choice = choose_method(data, resamples=200)
        complex_chosen += choice.kind == "sure" and choice.recommended != "a"
    assert complex_chosen <= 0.08 * shops
