"""A run that was interrupted goes on as it began: with the time that it took, its precision, its base, its encoder."""

import json
from pathlib import Path

import pytest

from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.progress import silent
from shoptalk.recipe import Recipe, read_recipe
from shoptalk.runs import open_run
from shoptalk.stages import train as stage
from shoptalk.stages.train import train

SMALL = ["model.width=32", "model.layers=1", "model.vocabulary=300", "training.epochs=1", "training.pretrain_epochs=0",
         "training.choice_epochs=0", "prompt.task=next_item", "prompt.style=bare", "items.dimensions=8",
         "training.trackers=[]", "training.checkpoint_seconds=0"]  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume")
    write_sample(folder, users=50, items=30)
    prepare(read_recipe(folder / "recipe.toml", SMALL), folder / "dataset")
    return folder


def recipe(shop: Path, *more: str) -> Recipe:
    return read_recipe(shop / "recipe.toml", [*SMALL, *more])


def interrupt(chosen: Recipe, shop: Path, run: Path, *, resume: bool = False) -> None:
    """Begin a run, or go on with it, and stop it where the loop of training begins."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stage, "fine_tune", stop)
        with pytest.raises(KeyboardInterrupt):
            train(chosen, shop / "dataset", run, silent, resume=resume)


def test_the_time_of_all_stretches_is_reported(shop: Path, tmp_path: Path) -> None:
    chosen, run = recipe(shop, "model.precision=fp32"), tmp_path / "run"
    interrupt(chosen, shop, run)
    cost = run / "checkpoints" / "cost.json"
    cost.parent.mkdir(exist_ok=True)
    cost.write_text(json.dumps({"seconds": 5000.0, "joules": None, "joules_of": []}))  # as if it had taken so long
    report = train(chosen, shop / "dataset", run, silent, resume=True)
    assert report["seconds"] > 5000
    assert open_run(run).info["training"]["seconds"] == report["seconds"]
    assert not cost.exists()
