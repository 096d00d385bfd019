import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptalk.evaluation.calibration import expected_calibration_error, reliability, softmax


def test_error_by_hand() -> None:
    # (0, .5]: confidence .4, .5, one of two right: |.5 - .45| = .05. (.5, 1]: .8, .9, both right: |1 - .85| = .15.
    # ECE = 2/4 * .05 + 2/4 * .15 = .10
    assert expected_calibration_error([0.4, 0.5, 0.8, 0.9], [1, 0, 1, 1], bins=2) == pytest.approx(0.10)


@pytest.mark.parametrize(
    ("confidence", "correct", "expected"),
    [
        ([1.0, 1.0], [1, 1], 0.0),  # sure and right
        ([1.0, 1.0], [0, 0], 1.0),  # sure and wrong
        ([0.25] * 4, [0.25] * 4, 0.0),  # ties at chance, known to be ties
        ([0.0], [0], 0.0),  # the lowest bin holds 0
    ],
)
def test_extremes(confidence: list[float], correct: list[float], expected: float) -> None:
    assert expected_calibration_error(confidence, correct) == pytest.approx(expected)


def test_no_cases() -> None:
    assert math.isnan(expected_calibration_error([], []))


def test_rounding_does_not_move_a_case_into_the_next_bin() -> None:
    # .1 + .2 is a hair above .3, whose bin of ten is (.2, .3].
    assert [row.cases for row in reliability([0.3, 0.1 + 0.2], [0, 0], bins=10)] == [0, 0, 2, 0, 0, 0, 0, 0, 0, 0]


def test_reliability_by_hand() -> None:
    low, high = reliability([0.4, 0.5], [1, 0], bins=2)
    assert (low.cases, low.confidence, low.accuracy) == (2, pytest.approx(0.45), 0.5)
    assert (high.low, high.high, high.cases) == (0.5, 1.0, 0)
    assert math.isnan(high.accuracy)


def test_softmax_by_hand() -> None:
    # exp(0) : exp(ln 3) = 1 : 3
    assert softmax(np.array([0.0, math.log(3)])) == pytest.approx([1 / 4, 3 / 4])


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([-math.inf, 0.0], [0, 1]),
        ([math.inf, 0.0, math.inf], [1 / 2, 0, 1 / 2]),
        ([-math.inf, -math.inf], [1 / 2, 1 / 2]),
        ([1e308, -1e308], [1, 0]),
    ],
)
def test_softmax_of_extreme_scores(scores: list[float], expected: list[float]) -> None:
    assert softmax(np.array(scores)) == pytest.approx(expected)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=1))
def test_error_is_a_share(cases: list[tuple[float, int]]) -> None:
    confidence, correct = zip(*cases, strict=True)
    assert 0 <= expected_calibration_error(confidence, correct) <= 1


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=9), st.floats(-50, 50))
def test_softmax_does_not_see_a_shift(scores: list[float], shift: float) -> None:
    assert softmax(np.array(scores) + shift) == pytest.approx(softmax(np.array(scores)), abs=1e-9)
