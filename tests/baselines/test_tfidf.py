import math

import numpy as np
import pytest

from shoptalk.baselines.tfidf import POOLINGS, Pooling, TfIdf, learn
from shoptalk.schema import Candidates, History, Item

from .small_dataset import CATALOGUE, case, options, split

# idf = 1 + ln((1 + 5) / (1 + df)): "lipstick" and "hair" are in two of five titles, every other word in one.
TWICE, ONCE = 1 + math.log(6 / 3), 1 + math.log(6 / 2)
COSINE = TWICE**2 / (TWICE**2 + ONCE**2)  # of two titles that share one of their two words


def score(history: tuple[str, ...], pooling: Pooling = POOLINGS[0]) -> np.ndarray:
    return TfIdf(CATALOGUE, pooling).score([History("u", history)], [options("lip1", "hair1", "soap")])[0]


def test_cosine_by_hand() -> None:
    assert score(("lip2",)) == pytest.approx([COSINE, 0, 0])
    assert score(("lip1",)) == pytest.approx([1, 0, 0])


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        (Pooling("mean"), (COSINE + 0) / 2),
        (Pooling("square"), (COSINE**2 + 0) / 2),
        (Pooling("highest"), COSINE),
        (Pooling("mean", decay=0.5), (0.5 * COSINE + 1 * 0) / 1.5),  # lip2 came before the last
    ],
)
def test_pooling_by_hand(pooling: Pooling, expected: float) -> None:
    assert score(("lip2", "soap"), pooling) == pytest.approx([expected, 0, expected_soap(pooling)])


def expected_soap(pooling: Pooling) -> float:
    return {"mean": 1 / (1 + pooling.decay), "square": 1 / 2, "highest": 1.0}[pooling.how]


def test_the_shown_title_of_an_option_counts() -> None:
    shown = Candidates(("lip1", "hair1"), ("something else", "Blue LIPSTICK!"))
    assert TfIdf(CATALOGUE).score([History("u", ("lip2",))], [shown])[0] == pytest.approx([0, 1])


def test_pooling_is_chosen_on_validation() -> None:
    history = ["hair1", "soap", "soap"]
    # mean and square give soap 2/3 and hair1 1/3; highest gives both the same score
    validation = [case("v", history, ["hair1", "soap"], 0)]
    assert learn(split(validation=validation), CATALOGUE, 1).pooling == Pooling("highest")
    assert learn(split(), CATALOGUE, 1).pooling == POOLINGS[0]


def test_a_catalogue_without_words() -> None:
    model = TfIdf({"a": Item("a", "!!!"), "b": Item("b", "")})
    assert model.score([History("u", ("a",))], [options("a", "b")])[0].tolist() == [0, 0]
