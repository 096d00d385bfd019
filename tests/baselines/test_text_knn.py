import math

import numpy as np
import pytest

from shoptalk.baselines._catalogue import TIE_BREAK
from shoptalk.baselines.text_knn import Settings, TextKnn, Texts, learn
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.schema import Catalogue, EvalExample, History, Item

from .small_dataset import CATALOGUE, TRAIN, split

# idf = 1 + ln((1 + 5) / (1 + df)): "lipstick" and "hair" are in two of five titles, every other word in one.
TWICE, ONCE = 1 + math.log(6 / 3), 1 + math.log(6 / 2)
COSINE = TWICE**2 / (TWICE**2 + ONCE**2)  # of two titles that share one of their two words


def score(history: tuple[str, ...], settings: Settings, catalogue: Catalogue = CATALOGUE) -> np.ndarray:
    indices = {item: index for index, item in enumerate(catalogue)}
    model = TextKnn(
        Texts.of(catalogue, settings.words), InteractionMatrix.of(TRAIN, indices), tuple(catalogue), settings
    )
    return model.score_all([History("u", history)])[0]


def near(expected: list[float]) -> object:
    return pytest.approx(expected, abs=2 * TIE_BREAK)


def test_decayed_cosines_by_hand() -> None:
    # lip2 weighs 0.7, for soap came after it; lip1, lip2, hair1, hair2, soap
    assert score(("lip2", "soap"), Settings(0.7)) == near([0.7 * COSINE, 0.7 * 1, 0, 0, 1])


def test_pairs_of_words() -> None:
    catalogue = {"a": Item("a", "soft red soap"), "b": Item("b", "soft soap red"), "c": Item("c", "soft red soap")}
    single_words, pairs = (score(("a",), Settings(1.0, words), catalogue) for words in (1, 2))
    assert single_words == near([1, 1, 1])
    assert pairs[0] == pytest.approx(pairs[2]) == pytest.approx(1, abs=1e-5)
    assert pairs[1] < 0.9


def test_brand_and_categories_are_used() -> None:
    catalogue = {
        "a": Item("a", "red", brand="Acme"),
        "b": Item("b", "blue", brand="acme"),
        "c": Item("c", "green", categories=("Kitchen tools",)),
        "d": Item("d", "white", categories=("Kitchen",)),
    }
    scores = score(("a",), Settings(), catalogue)
    assert scores[1] > 0.1 > scores[2]
    assert score(("c",), Settings(), catalogue)[3] > 0.1


def test_popularity_where_no_word_is_shared() -> None:
    assert score((), Settings()) == pytest.approx([TIE_BREAK * n / 3 for n in (2, 0, 1, 1, 3)])


def test_a_catalogue_without_words() -> None:
    assert score(("soap",), Settings(), {"soap": Item("soap", "!"), "x": Item("x", "")})[1] == 0


def test_decay_is_chosen_on_validation() -> None:
    # Three lipsticks, then something for the hair. A fourth lipstick scores (d + d^2 + d^3) * 0.275 and hair2 0.408
    # ("lipstick" is in four of seven titles, "hair" in two): the lipstick leads at 0.7, the starting point, not at 0.6.
    catalogue = {**CATALOGUE, "lip3": Item("lip3", "green lipstick"), "lip4": Item("lip4", "black lipstick")}
    validation = [EvalExample(History("v", ("lip1", "lip2", "lip3", "hair1")), ("hair2",))]
    assert learn(split(validation=validation), catalogue, 1).settings.decay <= 0.6 < Settings().decay
    assert learn(split(), catalogue, 1).settings == Settings()
