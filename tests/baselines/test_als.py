import numpy as np
import pytest

from shoptalk.baselines._catalogue import TIE_BREAK
from shoptalk.baselines.als import Als, Settings, factorise, learn
from shoptalk.errors import MissingExtra
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.schema import History, Item

from .small_dataset import CATALOGUE, TRAIN, split

ITEMS = tuple("abcdef")
INDICES = {item: index for index, item in enumerate(ITEMS)}
# Two groups of users without a common item: a b c and d e f.
GROUPS = [
    History(f"{group}{n}", tuple(group[n % 3 :] + group[: n % 3])[:2]) for group in ("abc", "def") for n in range(9)
]
PURCHASES = InteractionMatrix.of(GROUPS, INDICES)


@pytest.fixture(scope="module")
def model() -> Als:
    pytest.importorskip("implicit")
    settings = Settings(factors=2, regularization=0.1, alpha=10.0, decay=1.0)
    return Als(factorise(PURCHASES, settings.fit, 1), PURCHASES, ITEMS, settings)


def test_items_of_the_same_group_score_higher(model: Als) -> None:
    first, second = model.score_all([History("new", ("a", "b")), History("newer", ("e",))])
    assert first[:3].min() > first[3:].max() + 0.3
    assert second[3:].min() > second[:3].max() + 0.3


def test_the_factors_of_a_user_by_hand(model: Als) -> None:
    # Hu et al., formula 4: x = (Y'Y + Y'(C - 1)Y + r 1)^-1 Y'C p, where a purchase has confidence alpha, others 1
    factors = np.asarray(model._model.item_factors, dtype=np.float64)
    confidence = np.array([10.0, 10.0, 1, 1, 1, 1])
    bought = np.array([1.0, 1.0, 0, 0, 0, 0])
    left = factors.T @ (confidence[:, None] * factors) + 0.1 * np.eye(2)
    user = np.linalg.solve(left, factors.T @ (confidence * bought))
    assert model.score_all([History("u", ("a", "b"))])[0] == pytest.approx(factors @ user, abs=1e-3)


def test_an_empty_history_gets_popularity(model: Als) -> None:
    assert model.score_all([History("u", ())])[0] == pytest.approx([TIE_BREAK] * 6)
    assert model.score_all([]).shape == (0, 6)


def test_same_seed_same_factors() -> None:
    pytest.importorskip("implicit")
    fit = Settings(factors=2).fit
    first, repeated, other_seed = (factorise(PURCHASES, fit, seed).item_factors for seed in (1, 1, 2))
    assert np.array_equal(first, repeated)
    assert not np.array_equal(first, other_seed)


def test_learn_without_validation() -> None:
    pytest.importorskip("implicit")
    catalogue = {item: Item(item, item) for item in ITEMS}
    assert learn(split(train=GROUPS), catalogue, 1).settings == Settings()


def test_a_missing_library_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoptalk.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'shoptalk\[baselines\]'"):
        learn(split(train=TRAIN), CATALOGUE, 1)
