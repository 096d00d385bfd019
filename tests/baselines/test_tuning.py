"""Choosing settings on validation cases."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptalk.baselines import _catalogue
from shoptalk.baselines.tuning import RankingValidation, tune
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.schema import EvalExample, History
from tests.evaluation.reference import ndcg

INDICES = {"a": 0, "b": 1, "c": 2}
SEEN_ITEMS = InteractionMatrix.of(
    [History("u", ("a", "b", "gone", "a")), History("v", ()), History("w", ("c",))], INDICES
)


catalogues = st.integers(2, 25)


@settings(deadline=None)
@given(st.data(), catalogues)
def test_ndcg_is_that_of_evaluation(data: st.DataObject, size: int) -> None:
    items = [f"i{number}" for number in range(size)]
    some = st.lists(st.sampled_from(items), max_size=4)
    drawn = data.draw(st.lists(st.tuples(some, some.filter(bool)), min_size=1, max_size=5))
    cases = [EvalExample(History("u", tuple(seen_items)), tuple(targets)) for seen_items, targets in drawn]
    values = st.integers(0, 3)  # many ties
    scores = np.array(data.draw(st.lists(st.lists(values, min_size=size, max_size=size), min_size=5, max_size=5)))
    indices = {item: index for index, item in enumerate(items)}
    eval_data = RankingValidation(cases, indices, seed=1)  # it draws all of them, in their own order
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_catalogue.InteractionMatrix, "blocks", lambda self: iter([self]))
        found = eval_data.ndcg(lambda purchases: scores[: purchases.rows].astype(np.float32))
    expected = []
    for case, row in zip(cases, scores, strict=False):
        allowed = [item for item in items if item not in case.history.items]
        ranked = sorted(allowed, key=lambda item: (-row[indices[item]], indices[item]))
        expected.append(ndcg(ranked, case.targets, 10))
    assert found == pytest.approx(np.mean(expected))


def test_no_more_cases_than_said() -> None:
    cases = [EvalExample(History(str(number), ("a",)), ("b" if number % 3 else "c",)) for number in range(50)]
    one, same, other = (RankingValidation(cases, INDICES, seed, most=10) for seed in (1, 1, 2))
    assert len(one) == len(other) == 10
    assert one._targets.column.tolist() == same._targets.column.tolist() != other._targets.column.tolist()
    assert len(RankingValidation([EvalExample(History("u", ("a",)), ("gone",))], INDICES, 1)) == 0


@dataclass(frozen=True)
class Two:
    x: int = 0
    y: int = 0


def test_tuning_climbs_field_by_field_and_judges_nothing_twice() -> None:
    tried: list[Two] = []

    def scorer(one: Two):  # type: ignore[no-untyped-def]
        tried.append(one)
        right = 2 if one == Two(1, 0) else 1
        return lambda purchases: np.array([[0, right, 1.5]], dtype=np.float32)

    eval_data = RankingValidation(
        [EvalExample(History("u", ("a",)), ("b",))], INDICES, 1
    )  # c is in the way, unless x = 1 and y = 0
    assert tune(Two(), {"x": (0, 1), "y": (0, 1)}, scorer, eval_data) == Two(1, 0)
    assert tried == [Two(0, 0), Two(1, 0), Two(1, 1)]  # the second round meets nothing new


def test_without_validation_cases_tuning_keeps_the_start() -> None:
    assert tune(
        Two(5, 5), {"x": (0,)}, lambda one: pytest.fail("nothing to try"), RankingValidation([], INDICES, 1)
    ) == Two(5, 5)
