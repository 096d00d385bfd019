"""The input and the result of the evaluation of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from shoptalk.progress import Progress
from shoptalk.recipe import Recipe
from shoptalk.results import EvaluationResult
from shoptalk.schema import Catalogue, EvalExample, Recommender, Split

V = TypeVar("V")
#: Columns of ``predictions.parquet``, with one value for each test case.
Columns = dict[str, Sequence[Any]]


@dataclass(frozen=True)
class Evaluation:
    """The input of an evaluation: the recommender, the test cases and the baselines.

    Attributes
    ----------
    recipe
        The recipe of the run, with the settings of this evaluation.
    catalogue
        The items by their ids.
    split
        The split with the test cases.
    recommender
        The recommender to evaluate: a language model of the task, or any object with the same interface.
    baselines
        The baselines by name, including those that only score options.
    folder
        The folder of the run, to which generated texts are written.
    progress
        Notified of the progress.
    """

    recipe: Recipe
    catalogue: Catalogue
    split: Split
    recommender: Any
    baselines: Mapping[str, Recommender]
    folder: Path
    progress: Progress

    @property
    def cases(self) -> Sequence[EvalExample]:
        """The N test cases."""
        return self.split.test

    @property
    def fitted(self) -> Split:
        """The data of the final fit of the recommender and the baselines."""
        return self.split.for_final_fit()

    @property
    def users(self) -> list[str]:
        """The user of each test case; intervals are bootstrapped over users."""
        return [case.history.user_id for case in self.cases]

    @property
    def bootstrap(self) -> dict[str, int]:
        """The settings of intervals: resamples and seed."""
        return {"resamples": self.recipe.evaluation.resamples, "seed": self.recipe.seed}


@dataclass(frozen=True)
class TaskResult:
    """The metrics, and the predictions of each test case (empty if nothing was ranked or scored)."""

    result: EvaluationResult
    columns: Columns = field(default_factory=dict)


def merge(first: TaskResult, second: TaskResult) -> TaskResult:
    """Merge two evaluations of the same cases; columns of the first take precedence, metrics of the second."""
    left, right = first.result, second.result
    result = replace(
        left,
        metrics={**left.metrics, **right.metrics},
        baselines=_merge_methods(left.baselines, right.baselines),
        versus=_merge_methods(left.versus, right.versus),
        segments={**left.segments, **right.segments},
        positions=left.positions or right.positions,
        cut=right.cut if left.cut is None else left.cut,
        seconds={**left.seconds, **right.seconds},
        warnings=(*left.warnings, *right.warnings),
    )
    return TaskResult(result, second.columns | first.columns)


def renamed(task_result: TaskResult, metrics: Mapping[str, str], columns: Mapping[str, str]) -> TaskResult:
    """The same result with other names for some metrics and columns, given as old name -> new name."""
    figures = {metrics.get(name, name): value for name, value in task_result.result.metrics.items()}
    values = {columns.get(name, name): value for name, value in task_result.columns.items()}
    return TaskResult(replace(task_result.result, metrics=figures), values)


def _merge_methods(
    first: Mapping[str, Mapping[str, V]], second: Mapping[str, Mapping[str, V]]
) -> dict[str, dict[str, V]]:
    """Merge the values of each method."""
    return {name: {**first.get(name, {}), **second.get(name, {})} for name in {**first, **second}}
