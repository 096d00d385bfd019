"""SASRec: the self-attentive model of ids alone, trained by the same loop as everything else.

W.-C. Kang, J. McAuley, "Self-attentive sequential recommendation", ICDM 2018, with a softmax over the whole catalogue,
which a well-tuned SASRec needs (A. Petrov, C. Macdonald, "gSASRec", RecSys 2023; A. Klenitskiy, A. Vasilev, "Turning
dross into gold loss", RecSys 2023). It is this project's item-token model without words: `items.encoder = "none"`.
"""

import shutil
from pathlib import Path

from shoptalk.data.dataset import Dataset
from shoptalk.errors import ModelError, RecipeError, RunError
from shoptalk.progress import Progress
from shoptalk.recipe import Items, Model, Prompt, Recipe, Training
from shoptalk.runs import Run, open_run
from shoptalk.schema import Recommender
from shoptalk.stages.recommender import open_recommender
from shoptalk.stages.train import train

NAME = "sasrec"
#: Chosen on validation cases of Beauty (docs/notes/item-tokens.md).
MODEL = {"width": 128, "layers": 1, "dropout": 0.5, "vocabulary": 300}
TRAINING = {"epochs": 24, "patience": 3, "learning_rate": 1e-3, "weight_decay": 1e-2, "batch_tokens": 2048}


def sasrec_recipe(recipe: Recipe) -> Recipe:
    """The recipe of a SASRec on the same data; it learns from validation purchases where the recipe's model does."""
    return recipe.model_copy(
        update={
            "prompt": Prompt(task="next_item", style="bare"),
            "model": Model.model_validate({**MODEL, "precision": recipe.model.precision}),
            "items": Items(encoder="none"),
            "training": Training.model_validate({**TRAINING, "refit": recipe.training.refit}),
        }
    )


def learn_sasrec(run: Run, shop: Dataset, progress: Progress) -> Recommender:
    """A SASRec on a run's dataset, kept in the run's folder ``sasrec``.

    One that is there already is taken, and an interrupted one goes on, where it was made of the same dataset, seed and
    settings; settings of the evaluation do not matter. One that was made otherwise or is damaged is trained anew.
    """
    folder, recipe = run.folder / NAME, sasrec_recipe(run.recipe)
    former = _former(folder, recipe, shop)
    if former is not None:
        try:
            return _learned(folder, former.recipe, shop, progress, resume=True)
        except (RunError, ModelError) as error:
            progress(NAME, 0, 1, f"trained anew: {error}")
    if folder.is_dir():
        shutil.rmtree(folder)
    return _learned(folder, recipe, shop, progress, resume=False)


def _learned(folder: Path, recipe: Recipe, shop: Dataset, progress: Progress, *, resume: bool) -> Recommender:
    train(recipe, shop.folder, folder, progress, resume=resume)
    model = open_recommender(open_run(folder), shop)
    model.name = NAME
    return model


def _former(folder: Path, recipe: Recipe, shop: Dataset) -> Run | None:
    """The SASRec that was begun in a folder; None where there is none, or one of other data or settings."""
    try:
        run = open_run(folder)
    except (RunError, RecipeError):  # not a run, or damaged
        return None
    same = run.info["fingerprint"] == shop.fingerprint and _decides(run.recipe) == _decides(recipe)
    return run if same else None


def _decides(recipe: Recipe) -> dict[str, object]:
    """What the weights depend on, besides the dataset."""
    return recipe.model_dump(
        include={"seed", "prompt", "model", "lora", "items", "training"},
        exclude={"training": {"trackers", "checkpoint_seconds"}},
    )
