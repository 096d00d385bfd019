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
from shoptalk.stages.train import train

NAME = "sasrec"
#: Chosen on validation cases of Beauty (docs/notes/item-tokens.md).
MODEL = {"width": 128, "layers": 2, "dropout": 0.6, "vocabulary": 300}
TRAINING = {"epochs": 100, "patience": 8, "learning_rate": 5e-4, "weight_decay": 1e-2, "batch_tokens": 2048}


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


def learn_sasrec(run: Run, dataset: Dataset, progress: Progress) -> Recommender:
    """A SASRec on the dataset of a run, saved in the run's folder ``sasrec``.

    A saved one of the same dataset, seed and settings is used again, or resumed if its training was interrupted; the
    settings of the evaluation do not matter. Any other, or a damaged one, is trained anew.
    """
    folder, recipe = run.folder / NAME, sasrec_recipe(run.recipe)
    saved = _saved_run(folder, recipe, dataset)
    if saved is not None:
        try:
            return _train(folder, saved.recipe, dataset, progress, resume=True)
        except (RunError, ModelError) as error:
            progress(NAME, 0, 1, f"trained anew: {error}")
    if folder.is_dir():
        shutil.rmtree(folder)
    return _train(folder, recipe, dataset, progress, resume=False)


def _train(folder: Path, recipe: Recipe, dataset: Dataset, progress: Progress, *, resume: bool) -> Recommender:
    recommender: Recommender = train(recipe, dataset, folder, progress, resume=resume).recommender
    recommender.name = NAME
    return recommender


def _saved_run(folder: Path, recipe: Recipe, dataset: Dataset) -> Run | None:
    """The SASRec in a folder; None if there is none, or if it has other data or settings."""
    try:
        run = open_run(folder)
    except (RunError, RecipeError):  # not a run, or damaged
        return None
    same = run.info["fingerprint"] == dataset.fingerprint and _weight_settings(run.recipe) == _weight_settings(recipe)
    return run if same else None


def _weight_settings(recipe: Recipe) -> dict[str, object]:
    """The settings that the weights depend on."""
    return recipe.model_dump(
        include={"seed", "prompt", "model", "lora", "items", "training"},
        exclude={"training": {"trackers", "checkpoint_seconds"}},
    )
