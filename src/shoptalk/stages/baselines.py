"""The baselines that a run is compared with, fitted once for every way of judging."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from shoptalk.baselines import make_baseline
from shoptalk.data.dataset import Dataset
from shoptalk.errors import MissingExtra, RecipeError
from shoptalk.progress import Progress
from shoptalk.registry import BASELINES
from shoptalk.runs import Run
from shoptalk.schema import Recommender
from shoptalk.stages.load_dataset import run_split
from shoptalk.stages.sasrec import learn_sasrec


@dataclass(frozen=True, slots=True)
class Baselines:
    """Fitted baselines by name, a warning for each that could not be had, and the seconds that fitting took."""

    fitted: Mapping[str, Recommender]
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0


def fit_baselines(run: Run, dataset: Dataset, progress: Progress) -> Baselines:
    """Fit what the recipe names under ``evaluation.baselines``.

    Their final fit sees what the run's model saw (see `Split.for_final_fit`). One that needs a missing package, or has
    nothing to learn from, must not cost the others.
    """
    begin, split = time.perf_counter(), run_split(run, dataset)
    names = run.recipe.evaluation.baselines
    fitted: dict[str, Recommender] = {}
    warnings: list[str] = []
    for number, name in enumerate(names):
        progress("baselines", number, len(names), f"fitting {name}")
        try:
            if BASELINES[name].module is None:  # the training loop of models fits it
                fitted[name] = learn_sasrec(run, dataset, progress)
            else:
                fitted[name] = make_baseline(name, split, dataset.catalogue, run.recipe.seed)
        except (RecipeError, MissingExtra) as error:
            warnings.append(f"no baseline {name}: {error}")
    progress("baselines", 1, 1, "done")
    return Baselines(fitted, tuple(warnings), time.perf_counter() - begin)
