"""Choosing settings on validation cases."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptalk.baselines import _catalogue
from shoptalk.baselines.tuning import RankingValidation, tune
from shoptalk.schema import EvalExample, History
from tests.evaluation.reference import ndcg

INDICES = {"a": 0, "b": 1, "c": 2}


@settings(deadline=None)
@given(st.data(), st.integers(2, 25))
def test_ndcg_is_that_of_evaluation(data: st.DataObject, size: int) -> None:
    items = [f"i{number}" for number in range(size)]
    item_lists = st.lists(st.sampled_from(items), max_size=4)
    drawn = data.draw(st.lists(st.tuples(item_lists, item_lists.filter(bool)), min_size=1, max_size=5))
    cases = [EvalExample(History("u", tuple(history)), tuple(targets)) for history, targets in drawn]
    values = st.integers(0, 3)  # many ties
    scores = np.array(data.draw(st.lists(st.lists(values, min_size=size, max_size=size), min_size=5, max_size=5)))
    indices = {item: index for index, item in enumerate(items)}
    eval_data = RankingValidation(cases, indices, seed=1)  # all cases in the given order
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_catalogue.InteractionMatrix, "blocks", lambda self: iter([self]))
        computed = eval_data.ndcg(lambda purchases: scores[: purchases.rows].astype(np.float32))
    expected = []
    for case, row in zip(cases, scores, strict=False):
        allowed = [item for item in items if item not in case.history.items]
        ranked = sorted(allowed, key=lambda item: (-row[indices[item]], indices[item]))
        expected.append(ndcg(ranked, case.targets, 10))
    assert computed == pytest.approx(np.mean(expected))


def test_the_number_of_cases_is_limited() -> None:
    cases = [EvalExample(History(str(number), ("a",)), ("b" if number % 3 else "c",)) for number in range(50)]
    first, repeated, other_seed = (RankingValidation(cases, INDICES, seed, most=10) for seed in (1, 1, 2))
    assert len(first) == len(other_seed) == 10
    first_targets = first._targets.column.tolist()
    assert first_targets == repeated._targets.column.tolist() != other_seed._targets.column.tolist()
    assert len(RankingValidation([EvalExample(History("u", ("a",)), ("gone",))], INDICES, 1)) == 0


@dataclass(frozen=True)
class TwoFields:
    x: int = 0
    y: int = 0


def test_tuning_changes_one_field_at_a_time_and_evaluates_nothing_twice() -> None:
    tried: list[TwoFields] = []

    def scorer(variant: TwoFields):  # type: ignore[no-untyped-def]
        tried.append(variant)
        target_score = 2 if variant == TwoFields(1, 0) else 1
        return lambda purchases: np.array([[0, target_score, 1.5]], dtype=np.float32)

    eval_data = RankingValidation(
        [EvalExample(History("u", ("a",)), ("b",))], INDICES, 1
    )  # c scores higher than the target b, unless x = 1 and y = 0
    assert tune(TwoFields(), {"x": (0, 1), "y": (0, 1)}, scorer, eval_data) == TwoFields(1, 0)
    assert tried == [TwoFields(0, 0), TwoFields(1, 0), TwoFields(1, 1)]  # the second round tries no new settings


def test_without_validation_cases_tuning_keeps_the_start() -> None:
    assert tune(
        TwoFields(5, 5),
        {"x": (0,)},
        lambda variant: pytest.fail("no settings are to be tried"),
        RankingValidation([], INDICES, 1),
    ) == TwoFields(5, 5)
