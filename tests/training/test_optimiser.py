"""The learning rate."""

import pytest

from shoptalk.recipe import Training
from shoptalk.training.optimiser import learning_rate


def test_the_learning_rate_warms_up_then_falls_to_a_tenth() -> None:
    recipe = Training(learning_rate=1.0, warmup=0.1)
    assert learning_rate(recipe, 0.05) == pytest.approx(0.5)
    assert learning_rate(recipe, 0.1) == pytest.approx(1.0)
    assert learning_rate(recipe, 0.55) == pytest.approx(0.1 + 0.9 / 2)  # half of the cosine
    assert learning_rate(recipe, 1.0) == pytest.approx(0.1)
