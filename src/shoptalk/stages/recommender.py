"""Opening the model that a run left behind."""

from shoptalk.data.dataset import Dataset
from shoptalk.errors import RunError
from shoptalk.models.base import load
from shoptalk.models.tokenizer import Tokenizer
from shoptalk.prompts.tasks import Teller
from shoptalk.recipe import Prompt
from shoptalk.recommend.items import ItemRecommender
from shoptalk.recommend.listing import ListRecommender
from shoptalk.recommend.memory import load_memory
from shoptalk.recommend.options import LanguageModelRecommender
from shoptalk.runs import Run
from shoptalk.schema import Catalogue


def prompt_words(prompt: Prompt, catalogue: Catalogue, tokenizer: Tokenizer) -> Teller:
    """The words of a recipe's prompts, for training and serving alike: a tokenizer's marks are text, fields are cut."""
    return Teller(prompt, catalogue, tokenizer.control, tokenizer.users, tokenizer.encode)


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
    teller = prompt_words(run.recipe.prompt, shop.catalogue, model.tokenizer)
    if run.recipe.prompt.task == "items":
        return ItemRecommender(model, teller, load_memory(run.model))
    if run.recipe.prompt.task == "list":
        return ListRecommender(model, teller)
    return LanguageModelRecommender(model, teller, run.recipe.evaluation.scoring)
