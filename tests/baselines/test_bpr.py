import numpy as np
import pytest

from shoptalk.baselines._catalogue import LEAST
from shoptalk.baselines._factors import FactorRanker
from shoptalk.baselines.bpr import Settings, factorise, learn
from shoptalk.errors import MissingExtra
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.schema import History, Item

from .shop import CATALOGUE, split
from .test_als import BOUGHT, ITEMS, TASTES

FACTORS = np.array([[1, 0, 5], [0, 2, 0], [3, 3, 1]], dtype=np.float32)  # two factors and the bias of three items
THREE = InteractionMatrix.of([History("t", ("x", "y"))], {"x": 0, "y": 1, "z": 2})


def test_folded_in_by_hand() -> None:
    model = FactorRanker("bpr", FACTORS, THREE, "xyz", Settings(decay=0.5, bias=0.1))
    # y is the last and weighs 1, x 0.5: the user is (0.5 * (1, 0) + (0, 2)) / 1.5 = (1/3, 4/3)
    expected = [1 / 3 + 0.1 * 5, 8 / 3, 3 / 3 + 12 / 3 + 0.1 * 1]
    assert model.score_all([History("u", ("x", "y"))])[0] == pytest.approx(expected, abs=2 * LEAST)
    assert model.score_all([History("u", ())])[0] == pytest.approx([0.5, 0, 0.1], abs=2 * LEAST)


def test_two_tastes() -> None:
    pytest.importorskip("implicit")
    settings = Settings(factors=8, iterations=300, decay=1.0, bias=0.0)
    model = FactorRanker("bpr", factorise(BOUGHT, settings.fit, 1), BOUGHT, ITEMS, settings)
    one, other = model.score_all([History("new", ("a", "b")), History("newer", ("e",))])
    assert one[:3].min() > one[3:].max()
    assert other[3:].min() > other[:3].max()


def test_same_seed_same_factors() -> None:
    pytest.importorskip("implicit")
    fit = Settings(factors=4, iterations=5).fit
    one, same, other = (factorise(BOUGHT, fit, seed) for seed in (1, 1, 2))
    assert one.shape == (6, 5)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_learn_without_validation() -> None:
    pytest.importorskip("implicit")
    catalogue = {item: Item(item, item) for item in ITEMS}
    assert learn(split(train=TASTES), catalogue, 1).settings == Settings()


def test_the_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoptalk.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'shoptalk\[baselines\]'"):
        learn(split(), CATALOGUE, 1)
