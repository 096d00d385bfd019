"""A trained run, opened once: its folder, its dataset and its recommender."""

from dataclasses import dataclass
from typing import Any

from shoptalk.data.dataset import Dataset
from shoptalk.errors import RunError
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.storage import load
from shoptalk.runs import Run
from shoptalk.schema import Recommender
from shoptalk.stages.load_dataset import add_new_items, open_run_dataset
from shoptalk.tasks import get_task, make_prompts


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """A trained run in memory.

    Attributes
    ----------
    run
        Its folder and its recipe.
    dataset
        The dataset that it was trained on, with the items that were added since.
    recommender
        The model as the run's folder holds it, or anything with the same interface.
    """

    run: Run
    dataset: Dataset
    recommender: Any


def open_trained_run(run: Run, dataset: Dataset | None = None) -> TrainedRun:
    """Load the model of a run, and open its dataset where that is not open yet.

    Raises
    ------
    RunError
        If training has not finished.
    DatasetError
        If the dataset is missing or changed.
    """
    if not run.trained:
        raise RunError("training has not finished", where=str(run.folder), hint="use shoptalk train --resume")
    dataset = open_run_dataset(run) if dataset is None else add_new_items(dataset, run)
    return TrainedRun(run, dataset, make_recommender(run, dataset, load(run.model)))


def make_recommender(run: Run, dataset: Dataset, model: LanguageModel) -> Recommender:
    """The recommender of the run's task around a loaded model."""
    task = get_task(run.recipe.prompt.task)
    prompts = make_prompts(run.recipe.prompt, dataset.catalogue, model.tokenizer)
    return task.recommender(model, prompts, run.recipe, run.model)
