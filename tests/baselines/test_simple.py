"""Chance and popularity."""

import math

import pytest

from shoptalk.baselines.chance import Chance
from shoptalk.baselines.popularity import learn
from shoptalk.evaluation.options import option_metrics
from shoptalk.schema import EvalExample, History

from .small_dataset import CATALOGUE, options, split


def test_chance_is_exactly_one_in_n() -> None:
    histories = [History("a", ("soap",)), History("b", ())]
    scores = Chance(CATALOGUE).score(histories, [options("lip1", "lip2", "soap")] * 2)
    assert option_metrics(scores, [0, 0], ["a", "b"])["accuracy"].value == pytest.approx(1 / 3)
    four = Chance(CATALOGUE).score(histories[:1], [options("lip1", "lip2", "soap", "hair1")])
    assert option_metrics(four, [0], ["a"])["accuracy"].value == 1 / 4


def test_popularity_counts_training_purchases() -> None:
    # soap 3, lip1 2, hair1 1, lip2 0, an unknown item 0
    scores = learn(split(), CATALOGUE, 1).score(
        [History("a", ("lip2",))], [options("soap", "lip1", "hair1", "lip2", "unheard of")]
    )
    assert scores[0] == pytest.approx([math.log(4), math.log(3), math.log(2), 0, 0])


def test_popularity_counts_validation_purchases_for_rankings_and_options() -> None:
    model = learn(split(validation=[EvalExample(History("t3", ("soap", "hair2")), ("lip1",))]), CATALOGUE, 1)
    scores = dict(zip(model.items, model.score_all([History("a", ())])[0].tolist(), strict=True))
    assert scores == pytest.approx(
        {"lip1": math.log(4), "lip2": 0, "hair1": math.log(2), "hair2": math.log(2), "soap": math.log(4)}
    )
    assert model.score([History("a", ())], [options("lip1")])[0] == pytest.approx([math.log(4)])
