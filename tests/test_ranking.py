"""The best products of a catalogue, the rank of a target, and why: what all recommenders share."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from shoptalk.errors import UsageError
from shoptalk.ranking import BLOCK, CatalogueRecommender, OptionRecommender, target_rank, top_k
from shoptalk.schema import Candidates, History, RankedList
from tests.recommend.test_options import recommender
from tests.words import CATALOGUE, history, only

ITEMS = ("a", "b", "c", "d")


class Fixed(CatalogueRecommender):
    """Scores 3, 1, 1, 2, plus 1 for each item of the history."""

    name, items = "fixed", ITEMS

    def score_all(self, histories: Sequence[History]) -> NDArray[np.float32]:
        extra = np.array([[len(one.items)] for one in histories], dtype=np.float32)
        return np.array([[3, 1, 1, 2]], dtype=np.float32) + extra


class Length(OptionRecommender):
    """Scores an option by the length of its title."""

    name, catalogue = "length", CATALOGUE

    def score(
        self, histories: Sequence[History], candidates: Sequence[Candidates], notify: object = None
    ) -> list[NDArray[np.float64]]:
        return [np.array([len(title) for title in options.titles], dtype=np.float64) for options in candidates]


def lists(ranked: Sequence[RankedList]) -> list[tuple[str, ...]]:
    return [one.items for one in ranked]


def test_the_best_come_first_ties_in_catalogue_order_and_the_history_is_left_out() -> None:
    histories = [history(), history("a"), history("b", "d")]
    assert lists(Fixed().rank(histories, 3)) == [("a", "d", "b"), ("d", "b", "c"), ("a", "c")]
    assert lists(Fixed().rank(histories, 2, exclude_history=False)) == [("a", "d")] * 3
    assert lists(Fixed().rank(histories, 9, allowed=only("bcd", ITEMS))) == [("d", "b", "c"), ("d", "b", "c"), ("c",)]


def test_the_rank_of_a_target_is_its_place_in_the_whole_catalogue() -> None:
    ranked = Fixed().rank([history(), history("a"), history("d")], 1, targets=["c", "d", "d"])
    # a, d, b, c; then d, b, c; the last target is left out with its history.
    assert [one.rank for one in ranked] == [4, 1, None]


def test_scores_of_options_are_those_of_the_catalogue_and_strangers_get_the_lowest() -> None:
    candidates = [Candidates(("d", "x", "a"), ("", "", ""))] * BLOCK + [Candidates(("b",), ("",))]
    scores = Fixed().score([history()] * (BLOCK + 1), candidates)
    assert scores[0].tolist() == [2, 0, 3]
    assert scores[-1].tolist() == [1]
    assert scores[0].dtype == np.float64


def test_options_rank_a_catalogue_too() -> None:
    longest = sorted(CATALOGUE, key=lambda item: -len(CATALOGUE[item].title))[:2]  # a stable sort: catalogue order
    (ranked,) = Length().rank([history()], 2, targets=[longest[1]])
    assert ranked.items == tuple(longest)
    assert ranked.rank == 2


@pytest.mark.parametrize("k", [0, 1, 2, 3, 9])
def test_top_k(k: int) -> None:
    scores = np.array([[1.0, 2.0, 2.0, -np.inf]])
    assert top_k(scores, k)[0].tolist() == [1, 2, 0, 3][:k]


def test_a_ranking_is_that_of_the_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    model, items = recommender(), list(CATALOGUE)
    model.options_per_question = 4  # several passes
    (ranked,) = model.rank([history("R0")], 5, exclude_history=False)
    options = Candidates(tuple(items), tuple(CATALOGUE[item].title for item in items))
    (scores,) = model.score([history("R0")], [options])
    best = np.argsort(-scores)[:5]
    assert ranked.items == tuple(items[index] for index in best)
    assert ranked.scores == pytest.approx(scores[best], abs=1e-4)


def test_a_model_that_chooses_cannot_be_shown_a_catalogue() -> None:
    with pytest.raises(UsageError, match="learned to choose among a few"):
        recommender(task="multiple_choice").rank([history("R0")], 3, allowed=only(["R1"]))


def test_an_effect_is_the_score_that_goes_without_the_item() -> None:
    model = recommender()
    reasons = model.explain(history("R0", "C1"), ["R2", "C2"])
    option = Candidates(("R2",), (CATALOGUE["R2"].title,))
    both, only_c1 = model.score([history("R0", "C1"), history("C1")], [option, option])
    effect = {reason.item_id: reason.effect for reason in reasons[0]}
    assert effect["R0"] == pytest.approx(both[0] - only_c1[0], abs=1e-4)
    assert reasons[0][0].effect >= reasons[0][1].effect


def test_the_effect_of_a_catalogue_recommender() -> None:
    reasons = Fixed().explain(history("b", "c"), ["a"])
    assert [(reason.item_id, reason.effect) for reason in reasons[0]] == [("b", 1.0), ("c", 1.0)]


def test_target_rank_of_the_only_item() -> None:
    assert target_rank(np.array([0.0]), 0) == 1
