"""Metrics of anybody's lists."""

import math
from typing import Any

import pandas as pd
import pytest

import shoptalk

TARGETS = pd.DataFrame({"user_id": [1, 2, 2, 3], "item_id": ["a", "b", "c", "d"]})


def test_by_hand() -> None:
    ranked = pd.DataFrame(
        {"user_id": [1, 1, 2, 2, 9], "item_id": ["x", "a", "c", "b", "a"], "rank": [1, 2, 2, 1, 1]}
    )  # user 3 has no list, user 9 no target
    scores = shoptalk.evaluate_rankings(ranked, TARGETS, k=2)
    assert scores.loc["recall@2", "value"] == pytest.approx((1 + 1 + 0) / 3)
    assert scores.loc["mrr@2", "value"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert scores.loc["ndcg@2", "value"] == pytest.approx((1 / math.log2(3) + 1 + 0) / 3)
    assert scores.loc["recall@2", "n"] == 3
    assert scores.attrs["without_targets"] == 1


def test_scores_are_ranked_from_high_to_low_and_ties_keep_their_order() -> None:
    table = pd.DataFrame({"user_id": ["u"] * 3, "item_id": ["a", "b", "c"], "score": [0.5, 0.7, 0.7]})
    first = {item: shoptalk.evaluate_rankings(table, {"u": [item]}, k=1).loc["recall@1", "value"] for item in "abc"}
    assert first == {"a": 0, "b": 1, "c": 0}
    assert shoptalk.evaluate_rankings({"u": ["b", "c"]}, {"u": ["c"]}, k=2).loc["mrr@2", "value"] == 0.5


@pytest.mark.parametrize(
    ("predictions", "says"),
    [
        (pd.DataFrame({"user": [1]}), "predictions has no column user_id"),
        (pd.DataFrame({"user_id": [1], "item_id": ["a"]}), "no column rank or score"),
        (pd.DataFrame({"user_id": [1], "item_id": [None], "rank": [1]}), "item_id has no value in row 1"),
        (pd.DataFrame({"user_id": [1], "item_id": ["a"], "rank": ["first"]}), "holds a value that is no number"),
        (pd.DataFrame({"user_id": [1], "item_id": ["a"], "score": [math.nan]}), "score has no value in row 1"),
        ({"u": "abc"}, "not a list of item ids"),
        ([1], "is a list, not a table"),
    ],
)
def test_what_is_no_ranking(predictions: Any, says: str) -> None:
    with pytest.raises(shoptalk.ShoptalkError, match=says):
        shoptalk.evaluate_rankings(predictions, TARGETS)
