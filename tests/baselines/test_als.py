import numpy as np
import pytest

from shoptalk.baselines._catalogue import LEAST
from shoptalk.baselines.als import Als, Settings, factorise, learn
from shoptalk.errors import MissingExtra
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.schema import History, Item

from .shop import CATALOGUE, TRAIN, split

ITEMS = tuple("abcdef")
INDICES = {item: index for index, item in enumerate(ITEMS)}
# Two tastes that nobody shares: a b c and d e f.
TASTES = [
    History(f"{group}{n}", tuple(group[n % 3 :] + group[: n % 3])[:2]) for group in ("abc", "def") for n in range(9)
]
BOUGHT = InteractionMatrix.of(TASTES, INDICES)


@pytest.fixture(scope="module")
def model() -> Als:
    pytest.importorskip("implicit")
    settings = Settings(factors=2, regularization=0.1, alpha=10.0, decay=1.0)
    return Als(factorise(BOUGHT, settings.fit, 1), BOUGHT, ITEMS, settings)


def test_two_tastes(model: Als) -> None:
    one, other = model.score_all([History("new", ("a", "b")), History("newer", ("e",))])
    assert one[:3].min() > one[3:].max() + 0.3
    assert other[3:].min() > other[:3].max() + 0.3


def test_a_user_is_solved_for_by_hand(model: Als) -> None:
    # Hu et al., formula 4: x = (Y'Y + Y'(C - 1)Y + r 1)^-1 Y'C p, where a purchase has confidence alpha, others 1
    factors = np.asarray(model._model.item_factors, dtype=np.float64)
    confidence = np.array([10.0, 10.0, 1, 1, 1, 1])
    bought = np.array([1.0, 1.0, 0, 0, 0, 0])
    left = factors.T @ (confidence[:, None] * factors) + 0.1 * np.eye(2)
    user = np.linalg.solve(left, factors.T @ (confidence * bought))
    assert model.score_all([History("u", ("a", "b"))])[0] == pytest.approx(factors @ user, abs=1e-3)


def test_an_empty_history_gets_popularity(model: Als) -> None:
    assert model.score_all([History("u", ())])[0] == pytest.approx([LEAST] * 6)
    assert model.score_all([]).shape == (0, 6)


def test_same_seed_same_factors() -> None:
    pytest.importorskip("implicit")
    fit = Settings(factors=2).fit
    one, same, other = (factorise(BOUGHT, fit, seed).item_factors for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_learn_without_validation() -> None:
    pytest.importorskip("implicit")
    catalogue = {item: Item(item, item) for item in ITEMS}
    assert learn(split(train=TASTES), catalogue, 1).settings == Settings()


def test_the_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoptalk.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'shoptalk\[baselines\]'"):
        learn(split(train=TRAIN), CATALOGUE, 1)
