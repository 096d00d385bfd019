"""The best products, and why."""

import numpy as np
import pytest

from shoptalk.errors import UsageError
from shoptalk.recommend.ranking import explain, rank
from shoptalk.schema import Candidates
from tests.recommend.test_options import recommender
from tests.words import CATALOGUE, history


def test_a_ranking_is_that_of_the_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoptalk.recommend.ranking.CHUNK", 4)  # several passes
    model, items = recommender(), list(CATALOGUE)
    ranked = rank(model, history("R0"), items, 5)
    options = Candidates(tuple(items), tuple(CATALOGUE[item].title for item in items))
    (scores,) = model.score([history("R0")], [options])
    best = np.argsort(-scores)[:5]
    assert ranked.items == tuple(items[place] for place in best)
    assert ranked.scores == pytest.approx(scores[best], abs=1e-4)


def test_a_model_that_chooses_cannot_be_shown_a_catalogue() -> None:
    with pytest.raises(UsageError, match="learned to choose among a few"):
        rank(recommender(task="choose"), history("R0"), [*CATALOGUE] * 2, 3)


def test_an_effect_is_the_score_that_goes_without_the_item() -> None:
    model = recommender()
    ranked = rank(model, history("R0", "C1"), ["R2", "C2"], 2)
    reasons = explain(model, history("R0", "C1"), ranked)
    option = Candidates(ranked.items[:1], (CATALOGUE[ranked.items[0]].title,))
    both, only = model.score([history("R0", "C1"), history("C1")], [option, option])
    effect = {reason.item_id: reason.effect for reason in reasons[0]}
    assert effect["R0"] == pytest.approx(both[0] - only[0], abs=1e-4)
    assert reasons[0][0].effect >= reasons[0][1].effect
