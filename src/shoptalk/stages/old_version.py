"""The version of a run that is in use, on test cases of a dataset that has grown since it was trained."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from shoptalk.data.dataset import Dataset
from shoptalk.evaluation.bootstrap import Floats
from shoptalk.models.storage import load
from shoptalk.progress import Progress
from shoptalk.recipe import Recipe
from shoptalk.runs import Run
from shoptalk.schema import Catalogue, EvalExample, History, Recommender
from shoptalk.stages.catalogue import extend_model
from shoptalk.stages.compare import user_metrics
from shoptalk.stages.load_dataset import open_run_dataset, run_split
from shoptalk.tasks import get_task, make_prompts
from shoptalk.tasks.evaluation import Evaluation


def predict_with_old(
    run: Run, dataset: Dataset, cases: Sequence[EvalExample], folder: Path, progress: Progress
) -> dict[str, Floats]:
    """The metrics of each case, (N,) each, of a run that was trained on less.

    It gets the products that are new since, as the service gives them to it: item tokens are made of their text. A
    model without texts cannot recommend them; they then count as misses, and are left out of histories.

    Parameters
    ----------
    run
        The run.
    dataset
        The dataset that has grown.
    cases
        N test cases of it.
    folder
        Folder of the new version, in which a temporary copy of the model is made.
    """
    task = get_task(run.recipe.prompt.task)
    with TemporaryDirectory(prefix=".old-", dir=folder) as work:
        recommender, known = old_recommender(run, dataset, Path(work))
        asked = list(cases) if known is None else [_with_known(case, known) for case in cases]
        evaluation = Evaluation(
            recipe=_without_texts(run.recipe),
            catalogue=dataset.catalogue,
            split=replace(run_split(run, dataset), test=asked),
            recommender=recommender,
            baselines={},
            folder=Path(work),
            progress=progress,
        )
        return user_metrics(task.evaluate(evaluation).columns)


def old_recommender(run: Run, dataset: Dataset, work: Path) -> tuple[Recommender, Catalogue | None]:
    """The recommender, and the items that it knows; None where it can read all items."""
    task, model_folder, known = get_task(run.recipe.prompt.task), run.model, None
    catalogue: Catalogue = dataset.catalogue
    if task.item_tokens:
        known = open_run_dataset(run).catalogue
        added = [item for name, item in dataset.catalogue.items() if name not in known]
        if added and run.recipe.items.encoder != "none":
            model_folder = work / "model"
            extend_model(run, known, added, model_folder)
            known = {**known, **{item.item_id: item for item in added}}
        catalogue = {**known, **{name: item for name, item in dataset.catalogue.items() if name in known}}
    model = load(model_folder)
    prompts = make_prompts(run.recipe.prompt, catalogue, model.tokenizer)
    return task.recommender(model, prompts, run.recipe, model_folder), known


def _with_known(case: EvalExample, known: Catalogue) -> EvalExample:
    """The case with those items of its history that a model knows."""
    history = case.history
    if all(item in known for item in history.items):
        return case
    kept = [index for index, item in enumerate(history.items) if item in known]
    reviews = tuple(history.reviews[index] for index in kept) if history.reviews else ()
    return replace(case, history=History(history.user_id, tuple(history.items[index] for index in kept), reviews))


def _without_texts(recipe: Recipe) -> Recipe:
    """The recipe without generated texts, which the test does not use."""
    return recipe.model_copy(update={"evaluation": recipe.evaluation.model_copy(update={"generate": 0})})
