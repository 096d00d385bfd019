"""Opening the model that a run left behind."""

from shoptalk.data.dataset import Dataset
from shoptalk.errors import RunError
from shoptalk.models.base import load
from shoptalk.prompts.tasks import Teller
from shoptalk.recommend.items import ItemRecommender
from shoptalk.recommend.listing import ListRecommender
from shoptalk.recommend.memory import load_memory
from shoptalk.recommend.options import LanguageModelRecommender
from shoptalk.runs import Run


def open_recommender(run: Run, shop: Dataset) -> LanguageModelRecommender | ItemRecommender | ListRecommender:
    """The trained model of a run, ready to score.

    Raises
    ------
    RunError
        When training has not ended.
    """
    if not run.trained:
        raise RunError("training has not ended", where=str(run.folder), hint="go on with shoptalk train --resume")
    model = load(run.model)
    teller = Teller(run.recipe.prompt, shop.catalogue, model.tokenizer.control, model.tokenizer.users)
    if run.recipe.prompt.task == "items":
        return ItemRecommender(model, teller, load_memory(run.model))
    if run.recipe.prompt.task == "list":
        return ListRecommender(model, teller)
    return LanguageModelRecommender(model, teller, run.recipe.evaluation.scoring)
