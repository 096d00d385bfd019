"""The area under the ROC curve by hand, against scikit-learn, and with ties."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from shoptalk.evaluation.auc import BINS, auc, auc_and_gain


def users(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def test_by_hand() -> None:
    # Positive 3 and 1, negative 2 and 1: 3 beats both, 1 loses to 2 and ties with 1.
    size = auc(np.array([3.0, 1.0, 2.0, 1.0]), np.array([True, True, False, False]), users(4))
    assert size.value == pytest.approx((1 + 1 + 0 + 1 / 2) / 4)
    assert size.n == 4


@pytest.mark.parametrize("count", [BINS - 50, 3000])
def test_as_scikit_learn(count: int) -> None:
    generator = np.random.default_rng(1)
    positive = generator.random(count) < 0.3
    scores = generator.normal(size=count) + positive
    size = auc(scores, positive, users(count))
    assert size.value == pytest.approx(roc_auc_score(positive, scores), abs=0.002)
    # Hanley and McNeil: standard error of an area A with m positive and n negative cases.
    area, m, n = size.value, positive.sum(), (~positive).sum()
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    error = np.sqrt((area * (1 - area) + (m - 1) * (first - area**2) + (n - 1) * (second - area**2)) / (m * n))
    assert size.high - size.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_the_gain_is_paired() -> None:
    generator = np.random.default_rng(1)
    positive = generator.random(400) < 0.5
    noise = generator.normal(size=400)
    better, gain = auc_and_gain(noise + positive, noise, positive, users(400))
    same = auc_and_gain(noise, noise, positive, users(400))[1]
    assert gain.value == pytest.approx(better.value - auc(noise, positive, users(400)).value)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_one_class_has_no_area() -> None:
    assert np.isnan(auc(np.arange(3.0), np.ones(3, dtype=bool), users(3)).value)
