import numpy as np
import pytest

from shoptalk.baselines._catalogue import LEAST
from shoptalk.baselines.repeat_last import learn
from shoptalk.schema import EvalExample, History

from .shop import CATALOGUE, options, split

LIP1, LIP2, HAIR1, HAIR2, SOAP = range(5)


def test_the_last_first_then_the_one_before_then_popularity() -> None:
    found = learn(split(), CATALOGUE, 1).score_all([History("u", ("lip2", "hair2"))])[0]
    assert np.argsort(-found, kind="stable").tolist() == [HAIR2, LIP2, SOAP, LIP1, HAIR1]
    assert found[[HAIR2, LIP2]] == pytest.approx([1, 1 / 2], abs=3 * LEAST)
    assert found[[SOAP, LIP1, HAIR1]] == pytest.approx([LEAST, LEAST * 2 / 3, LEAST / 3])


def test_of_a_repeat_the_latest_counts() -> None:
    found = learn(split(), CATALOGUE, 1).score_all([History("u", ("hair1", "lip2", "hair1"))])[0]
    assert found[[HAIR1, LIP2]] == pytest.approx([1, 1 / 2], abs=3 * LEAST)


def test_an_old_purchase_is_still_ahead_of_the_most_popular() -> None:
    history = History("u", ("hair2", *["lip1", "lip2"] * 200))
    found = learn(split(), CATALOGUE, 1).score_all([history])[0]
    assert found[HAIR2] > found[SOAP] == pytest.approx(LEAST)


def test_options_and_what_validation_adds() -> None:
    model = learn(split(validation=[EvalExample(History("t3", ("soap", "hair2")), ("lip2",))]), CATALOGUE, 1)
    found = model.score([History("u", ("hair2",))], [options("lip2", "hair2", "unheard of")])[0]
    assert found == pytest.approx([LEAST / 3, 1, LEAST / 3], abs=3 * LEAST)
    assert found[0] == pytest.approx(LEAST / 3)
