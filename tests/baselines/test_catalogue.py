from dataclasses import replace

import numpy as np
import pytest
from hypothesis import strategies as st

from shoptalk.baselines._catalogue import LEAST, fallback, folded_in, learned_again, learned_from
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.schema import EvalExample, History
from tests.baselines.shop import CATALOGUE, split

INDICES = {"a": 0, "b": 1, "c": 2}
SEEN_ITEMS = InteractionMatrix.of(
    [History("u", ("a", "b", "gone", "a")), History("v", ()), History("w", ("c",))], INDICES
)


def test_learning_again_adds_what_validation_asked_and_its_users() -> None:
    seen_items = [
        EvalExample(History("t1", ("lip1", "soap")), ("hair1", "hair2")),
        EvalExample(History("stranger", ("lip1", "soap", "hair1", "hair2")), ("lip2",)),
    ]
    shop = split(validation=seen_items)
    indices = {item: index for index, item in enumerate(CATALOGUE)}  # lip1 lip2 hair1 hair2 soap
    assert learned_from(shop, indices).counts().tolist() == [2, 0, 1, 1, 3]
    again = learned_again(shop, indices)
    # the stranger's four items and its target: one more of each item
    assert again.counts().tolist() == [3, 1, 3, 3, 4]
    assert again.rows == 4
    assert again.recency[:4].tolist() == [3, 2, 1, 0]
    assert learned_again(replace(shop, refit=False), indices).counts().tolist() == [2, 0, 1, 1, 3]


def test_fallback_is_popularity_and_next_to_nothing() -> None:
    assert fallback(SEEN_ITEMS) == pytest.approx([LEAST, LEAST / 2, LEAST / 2])
    assert fallback(InteractionMatrix.of([], INDICES)).tolist() == [0, 0, 0]


def test_folding_in_is_the_weighted_mean() -> None:
    factors = np.array([[1, 0], [0, 3], [7, 7]], dtype=np.float32)
    # a weighs 1 and b, the one before it, 0.5
    assert folded_in(SEEN_ITEMS, factors, 0.5) == pytest.approx(
        np.array([[1 / 1.5, 0.5 * 3 / 1.5], [0, 0], [7, 7]], dtype=np.float32)
    )


catalogues = st.integers(2, 25)


class Fixed:
    name = "fixed"
    items = ("a", "b", "c")

    def score_all(self, histories):  # type: ignore[no-untyped-def]
        return np.array([[-1, 2, 3]] * len(histories), dtype=np.float32)
