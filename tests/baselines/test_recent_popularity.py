import math

import pytest

from shoptalk.baselines.recent_popularity import RecentPopularity, Settings, learn
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.schema import EvalExample, History

from .shop import CATALOGUE, TRAIN, options, split

INDICES = {item: index for index, item in enumerate(CATALOGUE)}


@pytest.mark.parametrize(
    ("last", "counts"),
    [
        (1, [0, 0, 1, 1, 1]),  # t1 ends with soap, t2 with hair1, t3 with hair2
        (2, [1, 0, 1, 1, 3]),  # and before them lip1, soap, soap
        (9, [2, 0, 1, 1, 3]),
    ],
)
def test_window_by_hand(last: int, counts: list[int]) -> None:
    model = RecentPopularity(InteractionMatrix.of(TRAIN, INDICES), tuple(CATALOGUE), Settings(last))
    found = model.score_all([History("u", ("lip2",)), History("v", ())])
    assert found.shape == (2, 5)
    assert found[0] == pytest.approx([math.log1p(count) for count in counts])
    assert found[1].tolist() == found[0].tolist()
    assert model.score([History("u", ())], [options("soap", "lip2")])[0] == pytest.approx([math.log1p(counts[4]), 0])


def test_window_is_chosen_on_validation_and_counted_again() -> None:
    # lip1 stands only before the last purchases, and all of the window's others are in the history.
    seen_items = [EvalExample(History("t3", ("soap", "hair1", "hair2")), ("lip1",))]
    model = learn(split(validation=seen_items), CATALOGUE, 1)
    assert model.settings.last == 1  # lip1 leads among equals without any purchase, being first in the catalogue
    seen_items = [EvalExample(History("t3", ("soap", "lip1", "hair2")), ("hair1",))]
    assert learn(split(validation=seen_items), CATALOGUE, 1).settings == Settings()
    again = learn(split(validation=[EvalExample(History("t3", ("soap", "hair2")), ("lip2",))]), CATALOGUE, 1)
    counted = again.score_all([History("u", ())])[0]
    assert counted[1] == pytest.approx(math.log1p(1))  # lip2 is now the last of t3


def test_a_longer_window_where_it_helps() -> None:
    # lip2 is last once, lip1 next to last twice: two cases ask for lip1.
    train = [History("a", ("lip1", "soap")), History("b", ("lip1", "soap")), History("c", ("soap", "hair1"))]
    seen_items = [EvalExample(History("v", ("soap",)), ("lip1",))]
    assert learn(split(train=train, validation=seen_items), CATALOGUE, 1).settings.last == 2
