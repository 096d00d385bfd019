"""Opening the model that a run left behind."""

from shoptalk.data.dataset import Dataset
from shoptalk.errors import RunError
from shoptalk.models.storage import load
from shoptalk.runs import Run
from shoptalk.schema import Recommender
from shoptalk.tasks import get_task, make_prompts


def open_recommender(run: Run, shop: Dataset) -> Recommender:
    """The trained model of a run, ready to score.

    Raises
    ------
    RunError
        When training has not ended.
    """
    if not run.trained:
        raise RunError("training has not ended", where=str(run.folder), hint="go on with shoptalk train --resume")
    model = load(run.model)
    task = get_task(run.recipe.prompt.task)
    prompts = make_prompts(run.recipe.prompt, shop.catalogue, model.tokenizer)
    return task.recommender(model, prompts, run.recipe, run.model)
