import math

import numpy as np
import pytest

from shoptalk.baselines.cooccurrence import NORMALISATIONS, Cooccurrence, Normalisation, learn
from shoptalk.schema import EvalExample, History

from .small_dataset import CATALOGUE, TRAIN, case, options, split

# Users: soap 3, lip1 2, hair1 1, hair2 1 of 7 purchases. Together: soap-lip1 2, soap-hair1, soap-hair2, lip1-hair1 1.
COSINE = Normalisation(0.5, 0.5, 0.0)


def near(expected: list[float]) -> object:
    """Scores have a floor of 1e-12, so that their logarithm is finite."""
    return pytest.approx(expected, abs=1e-9)


def score(history: tuple[str, ...], norm: Normalisation, *items: str) -> np.ndarray:
    """Scores without the logarithm."""
    return np.exp(Cooccurrence(TRAIN, CATALOGUE, norm).score([History("u", history)], [options(*items)])[0])


def test_cosine_by_hand() -> None:
    expected = [2 / math.sqrt(3 * 2), 1 / math.sqrt(3 * 1), 0]
    assert score(("soap",), COSINE, "lip1", "hair1", "lip2") == near(expected)


def test_sum_over_the_history() -> None:
    expected = 1 / math.sqrt(3 * 1) + 1 / math.sqrt(2 * 1)  # hair1 with soap and with lip1
    assert score(("soap", "lip1"), COSINE, "hair1") == near([expected])


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        (Normalisation(0, 0, 0), [2, 1, 0]),
        (Normalisation(1, 0, 0), [2 / 3, 1 / 3, 0]),
        (Normalisation(0, 1, 0), [2 / 2, 1 / 1, 0]),
        (Normalisation(0, 0, 7), [2 + 7 * 2 / 7, 1 + 7 * 1 / 7, 0]),  # the prior adds shares of purchases
    ],
)
def test_normalisations_by_hand(norm: Normalisation, expected: list[float]) -> None:
    assert score(("soap",), norm, "lip1", "hair1", "lip2") == near(expected)


def test_an_item_is_not_bought_together_with_itself() -> None:
    assert score(("soap",), COSINE, "soap") == near([0])


def test_a_user_who_buys_twice_counts_once() -> None:
    twice = [History("t", ("lip1", "soap", "soap"))]
    scores = Cooccurrence(twice, CATALOGUE, COSINE).score([History("u", ("soap",))], [options("lip1")])[0]
    assert np.exp(scores) == near([1 / math.sqrt(1 * 1)])


def test_normalisation_is_chosen_on_validation() -> None:
    # Nobody bought lip2 or hair2 together with hair1; only with a prior does hair2, bought once, score above lip2.
    validation: list[EvalExample] = [case("v", ["hair1"], ["lip2", "hair2"], 1)]
    assert learn(split(validation=validation), CATALOGUE, 1).normalisation.prior > 0
    assert learn(split(), CATALOGUE, 1).normalisation == NORMALISATIONS[0] == COSINE


def test_no_training_histories() -> None:
    assert score((), COSINE, "soap", "lip1") == near([0, 0])
    scores = Cooccurrence([], CATALOGUE).score([History("u", ("soap",))], [options("soap", "lip1")])[0]
    assert np.exp(scores) == near([0, 0])
