import math

import numpy as np
import pytest

from shoptalk.baselines._catalogue import LEAST
from shoptalk.baselines.text_knn import Texts
from shoptalk.baselines.transitions import GRID, Settings, Transitions, learn
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.graph.transitions import edges
from shoptalk.schema import EvalExample, History, Item
from tests.baselines.shop import CATALOGUE, TRAIN, split

ITEMS = tuple(CATALOGUE)
LIP1, LIP2, HAIR1, HAIR2, SOAP = range(5)
INDICES = {item: index for index, item in enumerate(ITEMS)}
BOUGHT = InteractionMatrix.of(TRAIN, INDICES)  # t1: lip1 soap; t2: lip1 soap hair1; t3: soap hair2


def score(history: tuple[str, ...], settings: Settings) -> np.ndarray:
    model = Transitions(BOUGHT, edges(BOUGHT, settings.graph), Texts(CATALOGUE), ITEMS, settings)
    return model.score_all([History("u", history)])[0]


def near(expected: list[float]) -> object:
    return pytest.approx(expected, abs=2 * LEAST)


PLAIN = {"gap": 0.0, "back": 0.0, "source_exponent": 0.0, "option": 0.0, "decay": 0.5, "text_decay": 0.5}


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
    model = learn(split(validation=[EvalExample(History("t3", ("soap", "hair2")), ("lip2",))]), CATALOGUE, 1)
    alone = Settings(text=0, **PLAIN)
    assert score(("hair2",), alone)[LIP2] == 0
    assert model.score_all([History("u", ("hair2",))])[0][LIP2] > 0.1


def test_words_are_chosen_where_only_words_tell() -> None:
    catalogue = {f"i{n}": Item(f"i{n}", "apple pie" if n in {0, 15} else f"word{n} other{n}") for n in range(16)}
    train = [History(str(n), (f"i{n}", f"i{(n % 14) + 1}")) for n in range(14)]
    shop = split(train=train, validation=[EvalExample(History("v", ("i0",)), ("i15",))])
    model = learn(shop, catalogue, 1)
    assert model.settings.text > 0 or model.settings.how == "rings"


def test_every_field_of_the_grid_is_a_setting() -> None:
    assert set(GRID) <= set(Settings.__dataclass_fields__)
