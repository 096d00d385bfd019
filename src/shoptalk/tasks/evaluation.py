"""What a task judges, and what comes of it."""

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
#: One value a test case, by column, for ``predictions.parquet``.
Columns = dict[str, Sequence[Any]]


@dataclass(frozen=True)
class Evaluation:
    """One evaluation: what is judged, on what, and beside what.

    Attributes
    ----------
    recipe
        Of the run, with the settings of this evaluation.
    catalogue
        The items by their ids.
    split
        Its test cases are judged.
    recommender
        What is judged: a language model of the task, or anything that has its interface.
    baselines
        The methods to compare with, by name, those that score options alone among them.
    folder
        Of the run; texts that the model wrote are kept there.
    progress
        Reports how far it is.
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
        """What the recommender and the baselines were fitted on in the end."""
        return self.split.for_final_fit()

    @property
    def users(self) -> list[str]:
        """The user of each test case, over whom intervals are drawn."""
        return [case.history.user_id for case in self.cases]

    @property
    def bootstrap(self) -> dict[str, int]:
        """How intervals are drawn: resamples and seed."""
        return {"resamples": self.recipe.evaluation.resamples, "seed": self.recipe.seed}


@dataclass(frozen=True)
class Judged:
    """Figures, and what they were computed from, one value a test case (empty where nothing was ranked or chosen)."""

    result: EvaluationResult
    columns: Columns = field(default_factory=dict)


def merge(first: Judged, second: Judged) -> Judged:
    """Two ways of judging the same cases as one: the figures of each method side by side."""
    one, other = first.result, second.result
    result = replace(
        one,
        metrics={**one.metrics, **other.metrics},
        baselines=_side_by_side(one.baselines, other.baselines),
        versus=_side_by_side(one.versus, other.versus),
        segments={**one.segments, **other.segments},
        positions=one.positions or other.positions,
        cut=other.cut if one.cut is None else one.cut,
        seconds={**one.seconds, **other.seconds},
        warnings=(*one.warnings, *other.warnings),
    )
    return Judged(result, second.columns | first.columns)


def renamed(judged: Judged, metrics: Mapping[str, str], columns: Mapping[str, str]) -> Judged:
    """The same with other names for some figures and columns."""
    figures = {metrics.get(name, name): value for name, value in judged.result.metrics.items()}
    values = {columns.get(name, name): value for name, value in judged.columns.items()}
    return Judged(replace(judged.result, metrics=figures), values)


def _side_by_side(
    first: Mapping[str, Mapping[str, V]], second: Mapping[str, Mapping[str, V]]
) -> dict[str, dict[str, V]]:
    return {name: {**first.get(name, {}), **second.get(name, {})} for name in {**first, **second}}
