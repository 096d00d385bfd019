import numpy as np
import pytest

from shoptalk.baselines._catalogue import TIE_BREAK
from shoptalk.baselines._factors import FactorRanker
from shoptalk.baselines.svd import Settings, factorise, learn, rating_fractions, targets
from shoptalk.errors import MissingExtra
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.schema import EvalExample, History, Item

from .small_dataset import CATALOGUE, TRAIN, split
from .test_als import GROUPS, ITEMS, PURCHASES
from .test_bpr import FACTORS, PURCHASES_OF_THREE

INDICES = {item: index for index, item in enumerate(CATALOGUE)}  # lip1 lip2 hair1 hair2 soap


def test_folded_in_by_hand() -> None:
    model = FactorRanker("svd", FACTORS, PURCHASES_OF_THREE, "xyz", Settings(decay=0.5, bias=0.1))
    expected = [1 / 3 + 0.1 * 5, 8 / 3, 3 / 3 + 12 / 3 + 0.1 * 1]  # as in test_bpr
    assert model.score_all([History("u", ("x", "y"))])[0] == pytest.approx(expected, abs=2 * TIE_BREAK)


def test_ratings_are_shares_of_the_highest() -> None:
    cases = [
        EvalExample(History("t1", ("lip1",)), ("soap",), rating=4.0),
        EvalExample(History("t2", ("lip1",)), ("soap",), rating=2.0),
        EvalExample(History("t2", ("lip1", "soap")), ("hair1",)),
        EvalExample(History("stranger", ()), ("soap",), rating=9.0),
    ]
    assert rating_fractions(cases, TRAIN, INDICES) == {(0, 4): 4 / 4, (1, 4): 2 / 4}
    assert rating_fractions([], TRAIN, INDICES) == {}


def test_targets_are_purchases_once_and_items_not_bought() -> None:
    purchases = InteractionMatrix.of([*TRAIN, History("t4", ("soap", "soap"))], INDICES)
    user, item, value = targets(purchases, {(0, 4): 0.5}, negatives=3, seed=1)
    pairs = list(zip(user.tolist(), item.tolist(), strict=True))
    assert len(pairs) == len(set(pairs))
    values = dict(zip(pairs, value.tolist(), strict=True))
    bought = {(0, 0): 1, (0, 4): 0.5, (1, 0): 1, (1, 2): 1, (1, 4): 1, (2, 3): 1, (2, 4): 1, (3, 4): 1}
    assert {pair: value for pair, value in values.items() if pair in bought} == bought
    assert {value for pair, value in values.items() if pair not in bought} == {0}


def test_items_of_the_same_group_score_higher() -> None:
    pytest.importorskip("surprise")
    settings = Settings(factors=4, epochs=300, decay=1.0, bias=0.0)
    model = FactorRanker("svd", factorise(PURCHASES, {}, settings.fit, 1), PURCHASES, ITEMS, settings)
    first, second = model.score_all([History("new", ("a", "b")), History("newer", ("e",))])
    assert first[:3].min() > first[3:].max()
    assert second[3:].min() > second[:3].max()


def test_same_seed_same_factors() -> None:
    pytest.importorskip("surprise")
    fit = Settings(factors=4, epochs=3).fit
    first, repeated, other_seed = (factorise(PURCHASES, {}, fit, seed) for seed in (1, 1, 2))
    assert first.shape == (6, 5)
    assert np.array_equal(first, repeated)
    assert not np.array_equal(first, other_seed)
    assert not factorise(InteractionMatrix.of([], INDICES), {}, fit, 1).any()


def test_learn_without_validation() -> None:
    pytest.importorskip("surprise")
    catalogue = {item: Item(item, item) for item in ITEMS}
    assert learn(split(train=GROUPS), catalogue, 1).settings == Settings()


def test_a_missing_library_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoptalk.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'shoptalk\[baselines\]'"):
        learn(split(), CATALOGUE, 1)
