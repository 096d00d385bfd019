import numpy as np
import pytest

from shoptalk.baselines._catalogue import TIE_BREAK
from shoptalk.baselines.repeat_last import learn
from shoptalk.schema import EvalExample, History

from .small_dataset import CATALOGUE, options, split

LIP1, LIP2, HAIR1, HAIR2, SOAP = range(5)


def test_the_history_from_the_latest_item_on_then_popularity() -> None:
    scores = learn(split(), CATALOGUE, 1).score_all([History("u", ("lip2", "hair2"))])[0]
    assert np.argsort(-scores, kind="stable").tolist() == [HAIR2, LIP2, SOAP, LIP1, HAIR1]
    assert scores[[HAIR2, LIP2]] == pytest.approx([1, 1 / 2], abs=3 * TIE_BREAK)
    assert scores[[SOAP, LIP1, HAIR1]] == pytest.approx([TIE_BREAK, TIE_BREAK * 2 / 3, TIE_BREAK / 3])


def test_the_latest_purchase_of_an_item_counts() -> None:
    scores = learn(split(), CATALOGUE, 1).score_all([History("u", ("hair1", "lip2", "hair1"))])[0]
    assert scores[[HAIR1, LIP2]] == pytest.approx([1, 1 / 2], abs=3 * TIE_BREAK)


def test_an_early_purchase_scores_above_the_most_popular_item() -> None:
    history = History("u", ("hair2", *["lip1", "lip2"] * 200))
    scores = learn(split(), CATALOGUE, 1).score_all([history])[0]
    assert scores[HAIR2] > scores[SOAP] == pytest.approx(TIE_BREAK)


def test_options_with_purchases_of_validation() -> None:
    model = learn(split(validation=[EvalExample(History("t3", ("soap", "hair2")), ("lip2",))]), CATALOGUE, 1)
    scores = model.score([History("u", ("hair2",))], [options("lip2", "hair2", "unheard of")])[0]
    assert scores == pytest.approx([TIE_BREAK / 3, 1, TIE_BREAK / 3], abs=3 * TIE_BREAK)
    assert scores[0] == pytest.approx(TIE_BREAK / 3)
