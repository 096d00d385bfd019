"""A generated shop and a small run with item tokens, trained in seconds."""

import shutil
from pathlib import Path

from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.progress import silent
from shoptalk.recipe import read_recipe
from shoptalk.stages.train import train

_SETTINGS = [
    "prompt.task=next_item",
    "prompt.style=bare",
    "model.layers=1",
    "model.precision=fp32",
    "model.vocabulary=300",
    "training.pretrain_epochs=0",
    "training.choice_epochs=0",
    "items.transition_text=true",
    'data.keep=["categories", "price"]',
]


def make_small_run(folder: Path, *, users: int, items: int, width: int = 64, epochs: int = 2) -> Path:
    """Write a shop to ``folder``, with ``planted.json``, and train ``folder/run``, which holds its dataset."""
    write_sample(folder, users=users, items=items)
    size = [f"model.width={width}", f"items.dimensions={width // 2}", f"training.epochs={epochs}"]
    recipe = read_recipe(folder / "recipe.toml", [*_SETTINGS, *size])
    prepare(recipe, folder / "dataset")
    train(recipe, open_dataset(folder / "dataset"), folder / "run", silent)
    shutil.move(folder / "dataset", folder / "run" / "dataset")
    return folder / "run"
