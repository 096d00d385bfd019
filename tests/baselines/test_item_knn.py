import math

import numpy as np
import pytest

from shoptalk.baselines._catalogue import TIE_BREAK
from shoptalk.baselines.item_knn import GRID, ItemKnn, Settings, learn, similarities
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.schema import EvalExample, History

from .small_dataset import CATALOGUE, TRAIN, split

ITEMS = tuple(CATALOGUE)  # lip1 lip2 hair1 hair2 soap
INDICES = {item: index for index, item in enumerate(ITEMS)}
PURCHASES = InteractionMatrix.of(TRAIN, INDICES)
# Users: soap 3, lip1 2, hair1 1, hair2 1. Together: soap-lip1 2, soap-hair1 and lip1-hair1 1, soap-hair2 1.
COSINE = Settings(decay=1.0, source_exponent=0.5, option=0.5, user=0.0)


def score(history: tuple[str, ...], settings: Settings = COSINE) -> np.ndarray:
    return ItemKnn(PURCHASES, ITEMS, settings).score_all([History("u", history)])[0]


def near(expected: list[float]) -> object:
    return pytest.approx(expected, abs=2 * TIE_BREAK)


def test_cosine_by_hand() -> None:
    assert score(("soap",)) == near([2 / math.sqrt(3 * 2), 0, 1 / math.sqrt(3 * 1), 1 / math.sqrt(3 * 1), 0])


def test_sum_over_the_history_with_decay() -> None:
    expected = 0.5 / math.sqrt(2 * 1) + 1 / math.sqrt(3 * 1)  # lip1 was bought before soap
    assert score(("lip1", "soap"), Settings(0.5, 0.5, 0.5, 0.0))[2] == pytest.approx(expected, abs=2 * TIE_BREAK)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(1, 0, 0, 0), [2, 0, 1, 1, 0]),
        (Settings(1, 1, 0, 0), [2 / 3, 0, 1 / 3, 1 / 3, 0]),
        (Settings(1, 0, 1, 0), [2 / 2, 0, 1 / 1, 1 / 1, 0]),
        (Settings(1, 0, 0, 1), [1 / 2 + 1 / 3, 0, 1 / 3, 1 / 2, 0]),  # t1 and t3 bought 2, t2 bought 3
        (Settings(1, 0, 0, 0, neighbours=1), [2, 0, 0, 0, 0]),
    ],
)
def test_settings_by_hand(settings: Settings, expected: list[float]) -> None:
    assert score(("soap",), settings) == near(expected)


def test_the_diagonal_of_similarities_is_zero() -> None:
    assert similarities(PURCHASES, COSINE).diagonal().tolist() == [0] * 5


def test_an_empty_or_unknown_history_gets_popularity() -> None:
    assert score(()) == pytest.approx([TIE_BREAK * n / 3 for n in (2, 0, 1, 1, 3)])
    assert score(("never heard of",)) == pytest.approx(score(()))


def test_settings_are_chosen_on_validation_which_the_final_fit_includes() -> None:
    # Of the items bought with soap, hair2 comes first only where the popular lip1 counts less.
    validation = [EvalExample(History("t3", ("soap",)), ("hair2",))] * 3
    model = learn(split(validation=validation), CATALOGUE, 1)
    assert model.settings.option > Settings().option or model.settings.user > 0
    assert learn(split(), CATALOGUE, 1).settings == Settings()
    refitted = learn(split(validation=[EvalExample(History("t3", ("soap", "hair2")), ("lip2",))]), CATALOGUE, 1)
    assert refitted.score_all([History("u", ("hair2",))])[0][1] > 0.1  # nobody bought lip2 before validation


def test_every_field_of_the_grid_is_a_setting() -> None:
    assert set(GRID) <= set(Settings.__dataclass_fields__)
