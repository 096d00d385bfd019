"""Evaluations of a few test cases, without the files of a run, for tests of tasks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shoptalk.progress import silent
from shoptalk.recipe import parse_recipe
from shoptalk.schema import EvalExample, History, Split
from shoptalk.tasks.evaluation import Evaluation
from tests.words import CATALOGUE

DATA = {"source": "table", "interactions": "purchases.csv"}


def evaluation_of(
    recommender: Any,
    test: Sequence[EvalExample],
    *,
    train: Sequence[History] = (),
    train_cases: Sequence[EvalExample] = (),
    baselines: Mapping[str, Any] | None = None,
    folder: Path = Path(),
    **sections: Any,
) -> Evaluation:
    """An evaluation of ``recommender`` on ``test``; 100 resamples unless ``evaluation`` sets another number."""
    evaluation = {"resamples": 100, **sections.pop("evaluation", {})}
    recipe = parse_recipe({"data": DATA, "evaluation": evaluation, **sections})
    split = Split(train, train_cases, (), test)
    return Evaluation(recipe, CATALOGUE, split, recommender, baselines or {}, folder, silent)
