"""Power laws: curves that are exact come back exactly, noise and falls do not lead astray."""

import numpy as np
import pytest

from shoptalk.evaluation.power_law import RATES, curve_error, extrapolate

SIZES = [100, 200, 400, 800]


@pytest.mark.parametrize("rate", RATES)
def test_an_exact_curve_is_continued(rate: float) -> None:
    def curve(n: float) -> float:
        return 0.5 - 0.3 * (n / 100) ** -rate

    values = np.array([[curve(n) for n in SIZES]])
    assert extrapolate(SIZES, values, 1600)[0] == pytest.approx(curve(1600), abs=1e-9)
    assert curve_error(SIZES, values) == pytest.approx(0, abs=1e-9)


def test_gains_shrink_from_doubling_to_doubling() -> None:
    # gains of .08, .04, .02: the next is between 0 and .02, here .01 (rate 1)
    assert extrapolate(SIZES, np.array([[0.1, 0.18, 0.22, 0.24]]), 1600)[0] == pytest.approx(0.25)


def test_flat_and_falling_curves_stay_at_their_mean() -> None:
    values = np.array([[0.3] * 4, [0.4, 0.3, 0.2, 0.1]])
    assert extrapolate(SIZES, values, 1600).tolist() == pytest.approx([0.3, 0.25])


def test_a_value_stays_in_its_range() -> None:
    assert extrapolate(SIZES, np.array([[0.7, 0.8, 0.9, 1.0]]), 100_000)[0] == 1.0
    assert extrapolate(SIZES, np.array([[0.7, 0.8, 0.9, 1.0]]), 100_000, most=2.0)[0] > 1.0


def test_three_sizes_are_needed() -> None:
    with pytest.raises(ValueError, match="2 sizes"):
        extrapolate([100, 200], np.zeros((1, 2)), 400)
    assert curve_error(SIZES[:3], np.zeros((1, 3))) is None


def test_the_error_is_that_of_the_last_point() -> None:
    # the first three points are flat, so that .3 is predicted; the last ones are .3 and .5
    values = np.array([[0.3, 0.3, 0.3, 0.3], [0.3, 0.3, 0.3, 0.5]])
    assert curve_error(SIZES, values) == pytest.approx(np.sqrt(0.2**2 / 2))
