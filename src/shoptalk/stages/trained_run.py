"""A trained run, opened once: its folder, its dataset and its recommender."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from shoptalk.data.dataset import Dataset
from shoptalk.errors import RunError
from shoptalk.models.numpy_model import can_load_numpy_model, load_numpy_model
from shoptalk.recommend.reasons import ReasonWriter
from shoptalk.runs import Run
from shoptalk.schema import Recommender
from shoptalk.stages.load_dataset import add_new_items, open_run_dataset
from shoptalk.tasks import get_task, make_prompts


@dataclass(frozen=True)
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

    @cached_property
    def reason_writer(self) -> ReasonWriter:
        """Writes the reasons of recommendations, from the purchases that the model learned from."""
        purchases = self.dataset.learned_purchases(refit=self.run.recipe.training.refit)
        return ReasonWriter(self.dataset.catalogue, purchases)


def open_trained_run(run: Run, dataset: Dataset | None = None, *, single: bool = False) -> TrainedRun:
    """Load the model of a run, and open its dataset where that is not open yet.

    Parameters
    ----------
    single
        Whether it will recommend for single histories: a small model is then computed in NumPy, where that gives the
        same scores, because importing torch takes longer.

    Raises
    ------
    RunError
        If training has not finished, or a file of the model is missing.
    DatasetError
        If the dataset is missing or changed.
    """
    if not run.trained:
        raise RunError("training has not finished", where=str(run.folder), hint="use shoptalk train --resume")
    run.check_model()
    dataset = open_run_dataset(run) if dataset is None else add_new_items(dataset, run)
    return TrainedRun(run, dataset, make_recommender(run, dataset, _load_model(run, single=single)))


def _load_model(run: Run, *, single: bool) -> Any:
    """The model of a run, in NumPy or in torch."""
    if single and is_numpy_run(run):
        return load_numpy_model(run.model)
    from shoptalk.models.storage import load

    return load(run.model)


def is_numpy_run(run: Run) -> bool:
    """Whether the task and the prompts of a run, and its model, need nothing beyond NumPy."""
    prompt = run.recipe.prompt
    return get_task(prompt.task).computes_in_numpy and prompt.style != "chat" and can_load_numpy_model(run.model)


def make_recommender(run: Run, dataset: Dataset, model: Any) -> Recommender:
    """The recommender of the run's task around a loaded `LanguageModel`, or a `NumpyModel` where the task takes one."""
    task = get_task(run.recipe.prompt.task)
    prompts = make_prompts(run.recipe.prompt, dataset.catalogue, model.tokenizer)
    return task.recommender(model, prompts, run.recipe, run.model)
