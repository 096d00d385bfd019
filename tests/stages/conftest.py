"""Generated raw files for whole experiments, and a small trained run with item tokens; each is made once."""

import shutil
from pathlib import Path

import pytest

from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.progress import silent
from shoptalk.recipe import read_recipe
from shoptalk.stages.train import train

SMALL = [
    "model.width=32",
    "model.layers=1",
    "model.precision=fp32",
    "model.vocabulary=300",
    "training.epochs=1",
    "training.pretrain_epochs=0",
    "training.choice_epochs=0",
    "prompt.task=next_item",
    "prompt.style=bare",
    "items.dimensions=16",
    "items.transition_text=true",
    'data.keep=["categories", "price"]',
]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of raw files with their recipe; tests must not change it."""
    folder = tmp_path_factory.mktemp("shop")
    write_sample(folder, users=130, items=60)
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a trained run; tests must not change it, but use the copy `items_run`."""
    folder = tmp_path_factory.mktemp("items")
    write_sample(folder, users=150, items=80)
    recipe = read_recipe(folder / "recipe.toml", SMALL)
    prepare(recipe, folder / "dataset")
    train(recipe, open_dataset(folder / "dataset"), folder / "run", silent)
    return folder / "run"


@pytest.fixture
def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave an empty report and no plot in runs: drawing takes more time than training and evaluating a small run."""
    monkeypatch.setattr("shoptalk.stages.judge.write_report", lambda folder: (folder / "report.html").touch())
    monkeypatch.setattr("shoptalk.experiment.draw_losses", lambda losses, path: None)


@pytest.fixture
def items_run(trained: Path, tmp_path: Path) -> Path:
    """A copy of `trained` that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "run"))
