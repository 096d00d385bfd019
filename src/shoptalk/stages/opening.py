"""Opening what a run left behind: its dataset, its model."""

from pathlib import Path

from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.errors import DatasetError, RunError
from shoptalk.models.base import load
from shoptalk.prompts.tasks import Teller
from shoptalk.recommend.items import ItemRecommender
from shoptalk.recommend.options import LanguageModelRecommender
from shoptalk.runs import Run


def open_recommender(run: Run, shop: Dataset) -> LanguageModelRecommender | ItemRecommender:
    """The trained model of a run, ready to score.

    Raises
    ------
    RunError
        When training has not ended.
    """
    if not run.trained:
        raise RunError("training has not ended", where=str(run.folder), hint="go on with shoptalk train --resume")
    model = load(run.model)
    teller = Teller(run.recipe.prompt, shop.catalogue, model.tokenizer.control)
    if run.recipe.prompt.task == "items":
        return ItemRecommender(model, teller)
    return LanguageModelRecommender(model, teller, run.recipe.evaluation.scoring)


def open_run_dataset(run: Run) -> Dataset:
    """The dataset that a run was trained on; it must still be the same.

    Raises
    ------
    DatasetError
        When it has gone or changed.
    """
    inside = run.folder / "dataset"  # a run's own dataset moves with its folder
    shop = open_dataset(inside if (inside / "dataset.json").exists() else Path(run.info["dataset"]))
    if shop.fingerprint != run.info["fingerprint"]:
        raise DatasetError("this is not the dataset that the run was trained on", where=str(shop.folder))
    return shop
