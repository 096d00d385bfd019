import math

import numpy as np
import pytest

from shoptalk.baselines import transitions
from shoptalk.baselines._catalogue import LEAST
from shoptalk.baselines.item_knn import Settings as KnnSettings
from shoptalk.baselines.item_knn import similarities
from shoptalk.baselines.text_knn import Texts
from shoptalk.baselines.transitions import GRID, Settings, Transitions, learn
from shoptalk.graph.purchases import Purchases
from shoptalk.graph.transitions import Graph, edges
from shoptalk.schema import Case, History, Item

from .shop import CATALOGUE, TRAIN, split

ITEMS = tuple(CATALOGUE)
LIP1, LIP2, HAIR1, HAIR2, SOAP = range(5)
PLACES = {item: place for place, item in enumerate(ITEMS)}
BOUGHT = Purchases.of(TRAIN, PLACES)  # t1: lip1 soap; t2: lip1 soap hair1; t3: soap hair2


def graph(gap: float, back: float, held: float = 0, option: float = 0) -> np.ndarray:
    return edges(BOUGHT, Graph(gap, back, held, option)).toarray()


def test_steps_ahead_by_hand() -> None:
    expected = np.zeros((5, 5))
    expected[LIP1, SOAP], expected[SOAP, HAIR1], expected[SOAP, HAIR2] = 2, 1, 1
    assert graph(0, 0) == pytest.approx(expected)
    assert graph(0, 0.7) == pytest.approx(expected + 0.7 * expected.T)
    expected[LIP1, HAIR1] = 0.5  # soap lies between them
    assert graph(0.5, 0) == pytest.approx(expected)


def test_normalised_by_users() -> None:
    # users: soap 3, lip1 2, hair1 1
    assert graph(0, 0, 0.5, 0.3)[LIP1, SOAP] == pytest.approx(2 / (2**0.5 * 3**0.3))
    assert graph(0, 1, 0.5, 0.3)[SOAP, LIP1] == pytest.approx(2 / (3**0.5 * 2**0.3))


def test_all_gaps_both_ways_is_item_knn() -> None:
    knn = similarities(BOUGHT, KnnSettings(1.0, 0.5, 0.5, 0.0)).toarray()
    assert graph(1, 1, 0.5, 0.5) == pytest.approx(knn)


def test_no_edge_across_users_nor_to_itself_nor_too_far(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = Purchases.of([History("u", ("soap", "soap", "lip1")), History("v", ("hair1",))], PLACES)
    found = edges(twice, Graph(1, 0, 0, 0)).toarray()
    assert found[SOAP, LIP1] == 2  # one step and two steps
    assert found.sum() == 2
    monkeypatch.setattr(transitions, "FURTHEST", 1)
    assert edges(twice, Graph(1, 0, 0, 0)).toarray().sum() == 1
    assert edges(Purchases.of([], PLACES), Graph()).nnz == 0


def test_a_repeat_does_not_hide_what_is_further_away() -> None:
    # No pair of neighbours differs, yet purchases two apart do.
    held = Purchases.of([History("u", ("soap", "soap")), History("v", ("lip1",))], PLACES)
    assert edges(held, Graph(1, 1, 0, 0)).nnz == 0
    held = Purchases.of(
        [History("u", ("soap", "gone", "soap")), History("v", ("lip1", "soap", "soap", "soap"))], PLACES
    )
    assert edges(held, Graph(1, 0, 0, 0)).toarray()[LIP1, SOAP] == 3


def score(history: tuple[str, ...], settings: Settings) -> np.ndarray:
    model = Transitions(BOUGHT, edges(BOUGHT, settings.graph), Texts(CATALOGUE), ITEMS, settings)
    return model.score_all([History("u", history)])[0]


def near(expected: list[float]) -> object:
    return pytest.approx(expected, abs=2 * LEAST)


PLAIN = {"gap": 0.0, "back": 0.0, "held": 0.0, "option": 0.0, "decay": 0.5, "text_decay": 0.5}


def test_mix_by_hand() -> None:
    edge = [0, 0, 1, 1, 0.5 * 2]  # soap leads to hair1 and hair2; lip1, before it, to soap
    assert score(("lip1", "soap"), Settings(text=0, **PLAIN)) == near(edge)
    words = 1 + math.log(6 / 3), 1 + math.log(6 / 2)
    cosine = words[0] ** 2 / (words[0] ** 2 + words[1] ** 2)
    text = [0.5, 0.5 * cosine, 0, 0, 1]
    assert score(("lip1", "soap"), Settings(text=0.1, **PLAIN)) == near(
        [one + 0.1 * two for one, two in zip(edge, text, strict=True)]
    )


def test_second_step_by_hand() -> None:
    # lip1 leads to soap by 2, soap to hair1 and hair2 by 1 each: 2 * 1, of which a tenth
    assert score(("lip1",), Settings(text=0, second=0.1, **PLAIN)) == near([0, 0, 0.2, 0.2, 2])


def test_rings_by_hand() -> None:
    found = score(("hair1",), Settings("rings", sources=1))
    # One step: soap. Two steps: lip1, hair2 and hair1 itself. None: lip2. Words order the rings: hair2 shares "hair".
    order = np.argsort(-found, kind="stable")
    assert order[0] == SOAP
    assert set(order[1:3].tolist()) == {HAIR1, HAIR2}
    assert order[3:].tolist() == [LIP1, LIP2]
    assert 4 <= found[SOAP] < 6
    assert found[LIP2] < 1


def test_rings_look_at_so_many_sources() -> None:
    history = ("hair2", "lip2")  # nobody bought lip2
    assert score(history, Settings("rings", sources=1))[SOAP] < 2
    assert score(history, Settings("rings", sources=2))[SOAP] >= 4


def test_chosen_on_validation_and_learned_again() -> None:
    assert learn(split(), CATALOGUE, 1).settings == Settings()
    model = learn(split(validation=[Case(History("t3", ("soap", "hair2")), ("lip2",))]), CATALOGUE, 1)
    alone = Settings(text=0, **PLAIN)
    assert score(("hair2",), alone)[LIP2] == 0
    assert model.score_all([History("u", ("hair2",))])[0][LIP2] > 0.1


def test_words_are_chosen_where_only_words_tell() -> None:
    catalogue = {f"i{n}": Item(f"i{n}", "apple pie" if n in {0, 15} else f"word{n} other{n}") for n in range(16)}
    train = [History(str(n), (f"i{n}", f"i{(n % 14) + 1}")) for n in range(14)]
    shop = split(train=train, validation=[Case(History("v", ("i0",)), ("i15",))])
    model = learn(shop, catalogue, 1)
    assert model.settings.text > 0 or model.settings.how == "rings"


def test_every_field_of_the_grid_is_a_setting() -> None:
    assert set(GRID) <= set(Settings.__dataclass_fields__)
