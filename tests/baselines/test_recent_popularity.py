import math

import pytest

from shoptalk.baselines.recent_popularity import RecentPopularity, Settings, learn
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.schema import EvalExample, History

from .small_dataset import CATALOGUE, TRAIN, options, split

INDICES = {item: index for index, item in enumerate(CATALOGUE)}


@pytest.mark.parametrize(
    ("last", "counts"),
    [
        (1, [0, 0, 1, 1, 1]),  # t1 ends with soap, t2 with hair1, t3 with hair2
        (2, [1, 0, 1, 1, 3]),  # and before them lip1, soap, soap
        (9, [2, 0, 1, 1, 3]),
    ],
)
def test_counts_by_hand(last: int, counts: list[int]) -> None:
    model = RecentPopularity(InteractionMatrix.of(TRAIN, INDICES), tuple(CATALOGUE), Settings(last))
    scores = model.score_all([History("u", ("lip2",)), History("v", ())])
    assert scores.shape == (2, 5)
    assert scores[0] == pytest.approx([math.log1p(count) for count in counts])
    assert scores[1].tolist() == scores[0].tolist()
    assert model.score([History("u", ())], [options("soap", "lip2")])[0] == pytest.approx([math.log1p(counts[4]), 0])


def test_last_is_chosen_on_validation_which_the_final_fit_includes() -> None:
    # lip1 is no latest purchase, and all latest purchases are in the history.
    validation = [EvalExample(History("t3", ("soap", "hair1", "hair2")), ("lip1",))]
    model = learn(split(validation=validation), CATALOGUE, 1)
    assert model.settings.last == 1  # of the items with no purchase, lip1 is the first in the catalogue
    validation = [EvalExample(History("t3", ("soap", "lip1", "hair2")), ("hair1",))]
    assert learn(split(validation=validation), CATALOGUE, 1).settings == Settings()
    refitted = learn(split(validation=[EvalExample(History("t3", ("soap", "hair2")), ("lip2",))]), CATALOGUE, 1)
    scores = refitted.score_all([History("u", ())])[0]
    assert scores[1] == pytest.approx(math.log1p(1))  # lip2 is now the last of t3


def test_more_purchases_are_counted_where_that_is_better() -> None:
    # lip1 is the target, and the purchase before the last of two users.
    train = [History("a", ("lip1", "soap")), History("b", ("lip1", "soap")), History("c", ("soap", "hair1"))]
    validation = [EvalExample(History("v", ("soap",)), ("lip1",))]
    assert learn(split(train=train, validation=validation), CATALOGUE, 1).settings.last == 2
