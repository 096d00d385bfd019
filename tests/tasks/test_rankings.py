"""Tasks that rank the whole catalogue: metrics of options beside those of rankings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shoptalk.ranking import CatalogueRecommender
from shoptalk.schema import EvalExample, History, Recommender
from shoptalk.tasks.rankings import RankingTask
from shoptalk.tasks.task import Task
from tests.tasks.evaluations import evaluation_of
from tests.words import CATALOGUE, eval_data

CASES = eval_data(12)


class SameBrand(CatalogueRecommender):
    """Items of the brand bought last score 1 (or -1), all others 0."""

    name = "same_brand"

    def __init__(self, sign: float = 1.0) -> None:
        self.sign = sign

    @property
    def items(self) -> Sequence[str]:
        return tuple(CATALOGUE)

    def score_all(self, histories: Sequence[History]) -> Any:
        return np.array([[self.sign * (item[0] == shown.items[-1][0]) for item in CATALOGUE] for shown in histories])


class BrandRanking(RankingTask):
    """Ranks by a given recommender."""

    name = "brand_ranking"
    summary = "rank the brand that was bought last first"

    def recommender(self, *_: Any) -> Recommender:
        return SameBrand()


def result_of_task(**sections: Any) -> Any:
    """The result of the task, beside a baseline that avoids the brand."""
    evaluation = evaluation_of(
        SameBrand(),
        CASES,
        train=[case.history for case in CASES],
        baselines={"other_brands": SameBrand(-1.0)},
        **sections,
    )
    return BrandRanking().evaluate(evaluation)


def test_metrics_of_options_have_their_own_names() -> None:
    task_result = result_of_task(candidates={"options": 3})
    metrics = task_result.result.metrics
    assert metrics["accuracy"].value == 1  # one option of the three is of the brand, and it is the right one
    # 3 of the brand's 6 items are in the history, so the target is among the first 3, and so among the first 10
    assert metrics["recall@10"].value == 1
    gap = metrics["accuracy"].value - metrics["swapped_accuracy"].value
    assert metrics["options_personalisation_gap"].value == pytest.approx(gap)
    gap = metrics["recall@10"].value - metrics["swapped_recall@10"].value
    assert metrics["personalisation_gap"].value == pytest.approx(gap)
    assert {"option_scores", "swapped_option_scores", "scores", "ranked"} <= task_result.columns.keys()
    assert [len(row) for row in task_result.columns["option_scores"]] == [3] * len(CASES)
    assert [len(row) for row in task_result.columns["scores"]] == [len(CATALOGUE) - 3] * len(CASES)
    baseline = task_result.result.baselines["other_brands"]
    assert baseline["accuracy"].value == 0
    assert {"recall@10", "accuracy"} <= baseline.keys()
    assert {"recall@10", "accuracy"} <= task_result.result.versus["other_brands"].keys()


def test_without_candidates_there_are_rankings_alone() -> None:
    task_result = result_of_task()
    assert "recall@10" in task_result.result.metrics
    assert not {"accuracy", "options_personalisation_gap"} & task_result.result.metrics.keys()
    assert not {"options", "option_scores"} & task_result.columns.keys()


def test_cases_have_no_options_by_default() -> None:
    (case,) = Task.cases(BrandRanking(), CASES[:1], evaluation_of(None, CASES).recipe)
    assert case == EvalExample(CASES[0].history, CASES[0].targets)


def test_a_model_folder_is_given_to_the_recommender() -> None:
    assert isinstance(BrandRanking().recommender(None, None, None, Path()), SameBrand)
