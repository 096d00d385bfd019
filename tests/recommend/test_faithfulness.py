"""Comprehensiveness and sufficiency of a recommender whose effects are known."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from shoptalk.ranking import CatalogueRecommender, Floats
from shoptalk.recommend.faithfulness import measure_faithfulness
from shoptalk.schema import Candidates, History

#: What each item of a history adds to the score of "x".
WORTH = {"a": 5.0, "b": 2.0, "c": 1.0, "d": 0.0}
X = Candidates(("x",), ("",))


class Additive(CatalogueRecommender):
    """The score of the only item is the sum of what the latest items of the history are worth."""

    name, items = "additive", ("x",)

    def __init__(self, limit: float = math.inf) -> None:
        self.history_limit = limit

    def score_all(self, histories: Sequence[History]) -> Floats:
        latest = [history.items[-int(min(len(history.items), self.history_limit)) :] for history in histories]
        return np.array([[sum(WORTH[item] for item in items)] for items in latest], dtype=np.float32)


def test_what_is_lost_without_the_largest_effects_and_with_them_alone() -> None:
    found = measure_faithfulness(Additive(), [History("u", tuple("adbc"))], ["x"], [X], draws=400)
    lost, kept = found.comprehensiveness, found.sufficiency
    assert lost["one", "effect"] == [5]  # a
    assert lost["half", "effect"] == [5 + 2]  # a, b
    assert lost["one", "latest"] == [1]  # c
    assert lost["half", "latest"] == [2 + 1]  # b, c
    assert kept["one", "effect"] == [8 - 5]
    assert kept["half", "effect"] == [8 - 7]
    assert lost["one", "random"] == pytest.approx([8 / 4], abs=0.3)
    assert kept["half", "random"] == pytest.approx([8 / 2], abs=0.3)


def test_only_purchases_that_can_count_are_removed() -> None:
    found = measure_faithfulness(Additive(limit=2), [History("u", tuple("abcd"))], ["x"], [X])
    assert found.comprehensiveness["one", "effect"] == [1]  # of c and d
