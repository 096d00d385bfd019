import math

import numpy as np
import pytest

from shoptalk.baselines._catalogue import TIE_BREAK
from shoptalk.baselines.text_knn import Texts
from shoptalk.baselines.transitions import GRID, Settings, Transitions, learn
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.graph.transitions import edges
from shoptalk.schema import EvalExample, History, Item
from tests.baselines.small_dataset import CATALOGUE, TRAIN, split

ITEMS = tuple(CATALOGUE)
LIP1, LIP2, HAIR1, HAIR2, SOAP = range(5)
INDICES = {item: index for index, item in enumerate(ITEMS)}
PURCHASES = InteractionMatrix.of(TRAIN, INDICES)  # t1: lip1 soap; t2: lip1 soap hair1; t3: soap hair2


def score(history: tuple[str, ...], settings: Settings) -> np.ndarray:
    model = Transitions(PURCHASES, edges(PURCHASES, settings.graph), Texts.of(CATALOGUE), ITEMS, settings)
    return model.score_all([History("u", history)])[0]


def near(expected: list[float]) -> object:
    return pytest.approx(expected, abs=2 * TIE_BREAK)


PLAIN = {"gap": 0.0, "back": 0.0, "source_exponent": 0.0, "option": 0.0, "decay": 0.5, "text_decay": 0.5}


def test_mix_by_hand() -> None:
    edge = [0, 0, 1, 1, 0.5 * 2]  # soap leads to hair1 and hair2; lip1, before it, to soap
    assert score(("lip1", "soap"), Settings(text=0, **PLAIN)) == near(edge)
    lipstick, colour = 1 + math.log(6 / 3), 1 + math.log(6 / 2)  # the idf of the words of lip1 and lip2
    cosine = lipstick**2 / (lipstick**2 + colour**2)
    text = [0.5, 0.5 * cosine, 0, 0, 1]
    assert score(("lip1", "soap"), Settings(text=0.1, **PLAIN)) == near(
        [edge_score + 0.1 * text_score for edge_score, text_score in zip(edge, text, strict=True)]
    )


def test_second_step_by_hand() -> None:
    # lip1 leads to soap by 2, soap to hair1 and hair2 by 1 each: 2 * 1, of which a tenth
    assert score(("lip1",), Settings(text=0, second=0.1, **PLAIN)) == near([0, 0, 0.2, 0.2, 2])


def test_rings_by_hand() -> None:
    scores = score(("hair1",), Settings("rings", sources=1))
    # One step: soap. Two steps: lip1, hair2 and hair1 itself. Neither: lip2. hair2 shares the word "hair" with hair1.
    order = np.argsort(-scores, kind="stable")
    assert order[0] == SOAP
    assert set(order[1:3].tolist()) == {HAIR1, HAIR2}
    assert order[3:].tolist() == [LIP1, LIP2]
    assert 4 <= scores[SOAP] < 6
    assert scores[LIP2] < 1


def test_rings_begin_at_the_last_sources() -> None:
    history = ("hair2", "lip2")  # nobody bought lip2
    assert score(history, Settings("rings", sources=1))[SOAP] < 2
    assert score(history, Settings("rings", sources=2))[SOAP] >= 4


def test_settings_are_chosen_on_validation_which_the_final_fit_includes() -> None:
    assert learn(split(), CATALOGUE, 1).settings == Settings()
    model = learn(split(validation=[EvalExample(History("t3", ("soap", "hair2")), ("lip2",))]), CATALOGUE, 1)
    assert score(("hair2",), Settings(text=0, **PLAIN))[LIP2] == 0
    assert model.score_all([History("u", ("hair2",))])[0][LIP2] > 0.1


def test_text_is_used_where_there_is_no_edge() -> None:
    catalogue = {f"i{n}": Item(f"i{n}", "apple pie" if n in {0, 15} else f"word{n} other{n}") for n in range(16)}
    train = [History(str(n), (f"i{n}", f"i{(n % 14) + 1}")) for n in range(14)]
    data = split(train=train, validation=[EvalExample(History("v", ("i0",)), ("i15",))])
    model = learn(data, catalogue, 1)
    assert model.settings.text > 0 or model.settings.how == "rings"


def test_every_field_of_the_grid_is_a_setting() -> None:
    assert set(GRID) <= set(Settings.__dataclass_fields__)
