import numpy as np
import pytest
from numpy.typing import NDArray

from shoptalk.evaluation.calibration import expected_calibration_error
from shoptalk.second_stage.calibration import Calibration, check_calibration, fit_calibration, log_softmax

from .test_ranker import drawn_groups


def test_log_softmax_by_group() -> None:
    values = log_softmax(np.array([0.0, 0.0, 5.0, 1.0]), np.array([2, 0, 1, 1]))
    assert values == pytest.approx([np.log(0.5), np.log(0.5), 0, 0])
    assert log_softmax(np.empty(0), np.array([0])).shape == (0,)


def test_the_default_leaves_probabilities_as_they_are() -> None:
    scores, sizes = np.array([0.0, 1.0, 3.0, 2.0]), np.array([3, 1])
    given = Calibration(coverage=0.5).log_probabilities(scores, sizes)
    assert given == pytest.approx(log_softmax(scores, sizes) + np.log(0.5), abs=1e-6)


def test_a_map_by_hand() -> None:
    """Two candidates of p = 1 / 2: logit q = 2 * log(1 / 2) - 3 * log(1 / 2) + 1 = 1 + log 2."""
    calibration = Calibration(2.0, 3.0, 1.0)
    q = np.exp(calibration.log_probabilities(np.zeros(2), np.array([2])))
    assert q == pytest.approx([2 * np.e / (1 + 2 * np.e)] * 2)


def distorted(kind: str) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    """Scores whose softmax is not the probability with which the targets were drawn."""
    groups = drawn_groups(5, pools=4000)
    scores = groups.features @ np.array([2.0, -1.0, 0.0])
    if kind == "too sure":
        return 3 * scores, groups.label, groups.sizes
    if kind == "too unsure":
        return 0.3 * scores, groups.label, groups.sizes
    random = np.random.default_rng(1)  # right at 1 / 2, but never sure
    first = random.normal(scale=3, size=5000)
    label = random.random(5000) < 0.25 + 0.5 / (1 + np.exp(-first))
    return np.stack([first, np.zeros(5000)], 1).ravel(), np.stack([label, ~label], 1).ravel(), np.full(5000, 2)


@pytest.mark.parametrize("kind", ["too sure", "too unsure", "wrong shape"])
def test_the_error_falls(kind: str) -> None:
    scores, label, sizes = distorted(kind)
    first = check_calibration(scores, label, sizes)
    before = expected_calibration_error(first.uncalibrated, first.correct)
    after = expected_calibration_error(first.calibrated, first.correct)
    assert before > 0.1
    assert after < (0.5 * before if kind == "wrong shape" else 0.03)
    calibration = fit_calibration(scores, label, sizes)
    q = np.exp(calibration.log_probabilities(scores, sizes))
    order = np.lexsort((scores, np.repeat(np.arange(len(sizes)), sizes))).reshape(len(sizes), -1)
    assert (np.diff(q[order], axis=1) >= 0).all()  # the order within each pool stays


def test_without_candidates_nothing_is_fitted() -> None:
    empty = np.empty(0)
    assert fit_calibration(empty, empty.astype(bool), np.empty(0, np.int64)) == Calibration()
    first = check_calibration(np.array([1.0, 2.0]), np.array([True, False]), np.array([2]))
    assert first.correct.tolist() == [False]
