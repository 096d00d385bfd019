"""The simple methods that a run is compared with, learned once for every way of judging."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from shoptalk.baselines import make_baseline
from shoptalk.data.dataset import Dataset
from shoptalk.errors import MissingExtra, RecipeError
from shoptalk.registry import BASELINES
from shoptalk.runs import Run
from shoptalk.schema import Ranker, Recommender, Split
from shoptalk.stages.progress import Progress
from shoptalk.stages.sasrec import learn_sasrec

Simple = dict[str, Any]


def learn_baselines(run: Run, shop: Dataset, split: Split, progress: Progress) -> tuple[Simple, list[str]]:
    """What the recipe names under ``evaluation.baselines``, by name, and a warning for each that could not be had.

    They learn from validation purchases in the end if the run's model did, and only then. One that needs a missing
    package, or has nothing to learn from, must not cost the others.
    """
    split = replace(split, refit=run.recipe.training.refit)
    names = run.recipe.evaluation.baselines
    learned: Simple = {}
    warnings: list[str] = []
    for number, name in enumerate(names):
        progress("baselines", number, len(names), f"learning {name}")
        try:
            if BASELINES[name].module is None:  # learned by the run's own training loop
                learned[name] = learn_sasrec(run, shop, progress)
            else:
                learned[name] = make_baseline(name, split, shop.catalogue, run.recipe.seed)
        except (RecipeError, MissingExtra) as error:
            warnings.append(f"no baseline {name}: {error}")
    progress("baselines", 1, 1, "done")
    return learned, warnings


def rankers(simple: Mapping[str, Any]) -> dict[str, Ranker]:
    """Those that score the whole catalogue."""
    return {name: cast(Ranker, one) for name, one in simple.items() if hasattr(one, "score_all")}


def recommenders(simple: Mapping[str, Any]) -> dict[str, Recommender]:
    """Those that score options."""
    return {name: cast(Recommender, one) for name, one in simple.items() if hasattr(one, "score")}
