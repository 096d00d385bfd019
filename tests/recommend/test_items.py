"""Ranking with item tokens: one pass equals one by one, filters hold, options and lists agree."""

import numpy as np
import pytest

from shoptalk.errors import ModelError
from shoptalk.ranking import rank_by_scores
from shoptalk.recipe import Prompt
from shoptalk.recommend.items import ItemRecommender
from shoptalk.schema import Candidates
from tests.models.test_items import IDS, model_with_items
from tests.words import CATALOGUE, history, prompt_builder, small_model

HISTORIES = [history("R0", "R1"), history("C2"), history("M0", "M1", "M2", "R5"), history()]


def recommender(style: str = "bare", fields: tuple[str, ...] = ("title",)) -> ItemRecommender:
    model = model_with_items()
    model.train(False)
    prompt = Prompt.model_validate({"task": "next_item", "style": style, "fields": fields, "max_tokens": 512})
    return ItemRecommender(model, prompt_builder(prompt, CATALOGUE, model.tokenizer.control))


@pytest.mark.parametrize(
    ("style", "fields"), [("bare", ("title",)), ("plain", ("token", "title")), ("alpaca", ("token",))]
)
def test_together_is_as_one_by_one(style: str, fields: tuple[str, ...]) -> None:
    ours = recommender(style, fields)
    together = ours.score_all(HISTORIES)
    assert together.shape == (4, len(IDS))
    for row, one in zip(together, HISTORIES, strict=True):
        assert np.allclose(row, ours.score_all([one])[0], atol=1e-5)


def test_lists_are_the_best_of_all_scores_without_what_was_bought() -> None:
    ours = recommender()
    allowed = np.arange(len(IDS)) % 2 == 0
    for k in (3, 1000):
        expected = list(rank_by_scores(ours, HISTORIES, k, allowed=allowed))
        assert [one.items for one in ours.rank(HISTORIES, k, allowed=allowed)] == [one.items for one in expected]
    for one, listed in zip(HISTORIES, ours.rank(HISTORIES, 1000), strict=True):
        assert set(listed.items) == set(IDS) - set(one.items)
        assert list(listed.scores) == sorted(listed.scores, reverse=True)


def test_equal_scores_are_listed_in_catalogue_order() -> None:
    ours = recommender()
    assert not ours.score_all([history()]).any()  # nothing is known, so all are equal
    for k in (1, 5, len(IDS)):
        assert ours.rank([history()], k)[0].items == IDS[:k]
    assert ours.rank([history("R0")], 0)[0].items == ()


def test_what_was_bought_may_come_again() -> None:
    assert set(recommender().rank([history("R0")], 1000, exclude_history=False)[0].items) == set(IDS)


def test_options_score_as_in_the_whole_catalogue() -> None:
    ours = recommender()
    options = Candidates(("R3", "C1", "M4"), ("", "", ""))
    scores = ours.score(HISTORIES, [options] * 4)
    everything = ours.score_all(HISTORIES)
    for row, one in zip(scores, everything, strict=True):
        assert np.allclose(row, one[[IDS.index(item) for item in options.items]])
    with pytest.raises(ModelError, match="no token"):
        ours.score(HISTORIES[:1], [Candidates(("nobody's",), ("",))])


def test_long_histories_lose_their_oldest_items() -> None:
    model = model_with_items()
    model.train(False)
    prompt = Prompt.model_validate({"task": "next_item", "style": "bare", "history": 2})
    ours = ItemRecommender(model, prompt_builder(prompt, CATALOGUE, model.tokenizer.control))
    assert np.allclose(ours.score_all([history("C0", "R0", "R1")]), ours.score_all([history("R0", "R1")]), atol=1e-6)


def test_a_model_without_item_tokens_is_refused() -> None:
    with pytest.raises(ModelError, match="no item tokens"):
        ItemRecommender(small_model(), prompt_builder(Prompt(), CATALOGUE))
