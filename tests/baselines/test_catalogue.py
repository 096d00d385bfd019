from dataclasses import replace

import numpy as np
import pytest

from shoptalk.baselines._catalogue import TIE_BREAK, fallback, final_purchases, folded_in, training_purchases
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.schema import EvalExample, History
from tests.baselines.small_dataset import CATALOGUE, split

INDICES = {"a": 0, "b": 1, "c": 2}
PURCHASES = InteractionMatrix.of(
    [History("u", ("a", "b", "gone", "a")), History("v", ()), History("w", ("c",))], INDICES
)


def test_the_final_purchases_include_validation_targets_and_users() -> None:
    validation = [
        EvalExample(History("t1", ("lip1", "soap")), ("hair1", "hair2")),
        EvalExample(History("new user", ("lip1", "soap", "hair1", "hair2")), ("lip2",)),
    ]
    data = split(validation=validation)
    indices = {item: index for index, item in enumerate(CATALOGUE)}  # lip1 lip2 hair1 hair2 soap
    assert training_purchases(data, indices).counts().tolist() == [2, 0, 1, 1, 3]
    final = final_purchases(data, indices)
    # t1's two targets, and the new user's four items and target: one more of each item, two more of hair1 and hair2
    assert final.counts().tolist() == [3, 1, 3, 3, 4]
    assert final.rows == 4
    assert final.recency[:4].tolist() == [3, 2, 1, 0]
    assert final_purchases(replace(data, refit=False), indices).counts().tolist() == [2, 0, 1, 1, 3]


def test_fallback_is_popularity_with_a_very_small_weight() -> None:
    assert fallback(PURCHASES) == pytest.approx([TIE_BREAK, TIE_BREAK / 2, TIE_BREAK / 2])
    assert fallback(InteractionMatrix.of([], INDICES)).tolist() == [0, 0, 0]


def test_folding_in_is_the_weighted_mean() -> None:
    factors = np.array([[1, 0], [0, 3], [7, 7]], dtype=np.float32)
    # a weighs 1 and b, the one before it, 0.5
    assert folded_in(PURCHASES, factors, 0.5) == pytest.approx(
        np.array([[1 / 1.5, 0.5 * 3 / 1.5], [0, 0], [7, 7]], dtype=np.float32)
    )
