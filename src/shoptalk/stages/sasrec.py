"""SASRec: the self-attentive model of ids alone, trained by the same loop as everything else.

W.-C. Kang, J. McAuley, "Self-attentive sequential recommendation", ICDM 2018, with a softmax over the whole catalogue,
which a well-tuned SASRec needs (A. Petrov, C. Macdonald, "gSASRec", RecSys 2023; A. Klenitskiy, A. Vasilev, "Turning
dross into gold loss", RecSys 2023). It is this project's item-token model without words: `items.encoder = "none"`.
"""

from shoptalk.data.dataset import Dataset
from shoptalk.progress import Progress
from shoptalk.recipe import Items, Model, Prompt, Recipe, Training
from shoptalk.runs import Run, open_run
from shoptalk.schema import Recommender
from shoptalk.stages.recommender import open_recommender
from shoptalk.stages.train import train

NAME = "sasrec"
#: Chosen on validation cases of Beauty (docs/experiments.md).
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
    """A SASRec on a run's dataset, trained once into the run's folder ``sasrec``; an interrupted one goes on."""
    folder = run.folder / NAME
    begun = (folder / "run.json").exists()
    if not (begun and open_run(folder).trained):
        train(sasrec_recipe(run.recipe), shop.folder, folder, progress, resume=begun)
    model = open_recommender(open_run(folder), shop)
    model.name = NAME
    return model
