import numpy as np
import pytest

from shoptalk.baselines._catalogue import TIE_BREAK
from shoptalk.baselines._factors import FactorRanker
from shoptalk.baselines.bpr import Settings, factorise, learn
from shoptalk.errors import MissingExtra
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.schema import History, Item

from .small_dataset import CATALOGUE, split
from .test_als import GROUPS, ITEMS, PURCHASES

FACTORS = np.array([[1, 0, 5], [0, 2, 0], [3, 3, 1]], dtype=np.float32)  # two factors and the bias of three items
PURCHASES_OF_THREE = InteractionMatrix.of([History("t", ("x", "y"))], {"x": 0, "y": 1, "z": 2})


def test_folded_in_by_hand() -> None:
    model = FactorRanker("bpr", FACTORS, PURCHASES_OF_THREE, "xyz", Settings(decay=0.5, bias=0.1))
    # y is the last and weighs 1, x 0.5: the user is (0.5 * (1, 0) + (0, 2)) / 1.5 = (1/3, 4/3)
    expected = [1 / 3 + 0.1 * 5, 8 / 3, 3 / 3 + 12 / 3 + 0.1 * 1]
    assert model.score_all([History("u", ("x", "y"))])[0] == pytest.approx(expected, abs=2 * TIE_BREAK)
    assert model.score_all([History("u", ())])[0] == pytest.approx([0.5, 0, 0.1], abs=2 * TIE_BREAK)


def test_items_of_the_same_group_score_higher() -> None:
    pytest.importorskip("implicit")
    settings = Settings(factors=8, iterations=300, decay=1.0, bias=0.0)
    model = FactorRanker("bpr", factorise(PURCHASES, settings.fit, 1), PURCHASES, ITEMS, settings)
    first, second = model.score_all([History("new", ("a", "b")), History("newer", ("e",))])
    assert first[:3].min() > first[3:].max()
    assert second[3:].min() > second[:3].max()


def test_same_seed_same_factors() -> None:
    pytest.importorskip("implicit")
    fit = Settings(factors=4, iterations=5).fit
    first, repeated, other_seed = (factorise(PURCHASES, fit, seed) for seed in (1, 1, 2))
    assert first.shape == (6, 5)
    assert np.array_equal(first, repeated)
    assert not np.array_equal(first, other_seed)


def test_learn_without_validation() -> None:
    pytest.importorskip("implicit")
    catalogue = {item: Item(item, item) for item in ITEMS}
    assert learn(split(train=GROUPS), catalogue, 1).settings == Settings()


def test_a_missing_library_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoptalk.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'shoptalk\[baselines\]'"):
        learn(split(), CATALOGUE, 1)
