"""A run that was interrupted goes on as it began: with the time that it took, its precision, its base, its encoder."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.errors import ModelError, RunError
from shoptalk.models import encoders, precision
from shoptalk.models.bases import CARD, find_base, item_folder
from shoptalk.models.create import create
from shoptalk.models.storage import save
from shoptalk.progress import silent
from shoptalk.recipe import Lora, Model, Recipe, read_recipe
from shoptalk.runs import open_run, read_log
from shoptalk.stages import beginning
from shoptalk.stages import train as stage
from shoptalk.stages.train import train
from tests.words import small_model

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
            train(chosen, open_dataset(shop / "dataset"), run, silent, resume=resume)


def test_the_time_of_all_stretches_is_reported(shop: Path, tmp_path: Path) -> None:
    chosen, run = recipe(shop, "model.precision=fp32"), tmp_path / "run"
    interrupt(chosen, shop, run)
    cost = run / "checkpoints" / "cost.json"
    cost.parent.mkdir(exist_ok=True)
    cost.write_text(json.dumps({"seconds": 5000.0, "joules": None, "joules_of": []}))  # as if it had taken so long
    report = train(chosen, open_dataset(shop / "dataset"), run, silent, resume=True).run.info["training"]
    assert report["seconds"] > 5000
    assert open_run(run).info["training"]["seconds"] == report["seconds"]
    assert not cost.exists()


@pytest.mark.parametrize("refit", ["false", "true"])
def test_the_precision_is_measured_once(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refit: str
) -> None:
    chosen, run = recipe(shop, "model.precision=auto", f"training.refit={refit}"), tmp_path / "run"
    speed = iter([9.0])  # at first bf16 is much faster; measured again it would be missing
    monkeypatch.setattr(precision, "device", lambda: torch.device("cpu"))
    monkeypatch.setattr(precision, "bf16_speedup", lambda: next(speed))
    interrupt(chosen, shop, run)
    assert open_run(run).info["precision"] == "bf16"
    assert open_run(run).recipe.model.precision == "auto"
    assert (
        train(chosen, open_dataset(shop / "dataset"), run, silent, resume=True).run.info["training"]["precision"]
        == "bf16"
    )


@pytest.mark.parametrize(("kept", "says"), [("fp16", "needs a GPU"), ("fp8", "precision is 'fp8', not one of")])
def test_a_precision_with_which_it_cannot_go_on(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str, says: str
) -> None:
    chosen, run = recipe(shop, "model.precision=fp32"), tmp_path / "run"
    interrupt(chosen, shop, run)
    open_run(run).note(precision=kept)
    monkeypatch.setattr(beginning, "device", lambda: torch.device("cpu"))
    with pytest.raises(RunError, match=says):
        train(chosen, open_dataset(shop / "dataset"), run, silent, resume=True)


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small model, named by a path that is relative to the current folder."""
    save(small_model(), tmp_path / "base")
    (tmp_path / "base" / CARD).unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    return Path("base")


def test_a_relative_base_is_found_as_it_was_when_the_run_began(
    shop: Path, tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, run = recipe(shop, "model.precision=fp32", f"model.base={base}"), tmp_path / "run"
    interrupt(chosen, shop, run)
    assert open_run(run).info["base"]["path"] == str(tmp_path / "base")
    monkeypatch.chdir(tmp_path / "elsewhere")
    save(small_model(2), Path("base"))  # another model that has the same name here
    train(chosen, open_dataset(shop / "dataset"), run, silent, resume=True)
    kept = open_run(run).info["base"]
    assert (kept["path"], kept["relative"]) == (str(tmp_path / "base"), "../base")
    assert kept["sha256"] == find_base(str(tmp_path / "base")).sha256


def test_a_base_that_moved_with_its_run_is_found(
    shop: Path, tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = recipe(shop, "model.precision=fp32", f"model.base={base}")
    interrupt(chosen, shop, tmp_path / "run")
    for name in ("base", "run"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    interrupt(chosen, shop, tmp_path / "elsewhere" / "run", resume=True)
    assert open_run(tmp_path / "elsewhere" / "run").info["base"]["path"] == str(tmp_path / "elsewhere" / "base")


def test_a_base_that_was_replaced_or_is_gone_ends_the_resuming(shop: Path, tmp_path: Path, base: Path) -> None:
    chosen, run = recipe(shop, "model.precision=fp32", f"model.base={base}"), tmp_path / "run"
    interrupt(chosen, shop, run)
    save(small_model(2), base)  # of the same shape
    with pytest.raises(ModelError, match="not the one with which this run began: its weights differ"):
        train(chosen, open_dataset(shop / "dataset"), run, silent, resume=True)
    shutil.rmtree(base)
    with pytest.raises(ModelError, match="the base with which this run began is gone"):
        train(chosen, open_dataset(shop / "dataset"), run, silent, resume=True)


def test_that_adapters_of_the_base_were_merged_stands_in_the_log(shop: Path, tmp_path: Path, base: Path) -> None:
    adapters = create(Model(base=str(base), tuning="lora", precision="fp32"), Lora(r=2), [], 1, 64)
    save(adapters, tmp_path / "adapters")
    chosen, run = recipe(shop, "model.precision=fp32", "model.base=adapters"), tmp_path / "run"
    train(chosen, open_dataset(shop / "dataset"), run, silent)
    (note,) = (event for event in read_log(run) if event["event"] == "note")
    assert note["step"] == 0
    assert note["text"] == open_run(run).info["base"]["notes"][0]
    assert "was merged into its base" in note["text"]


class WordLengths:
    """Stands for sentence-transformers: a text's vector is the lengths of its words, of unit length."""

    def encode(self, texts: list[str], **_: object) -> np.ndarray:
        vectors = np.array([[1.0, *[len(word) for word in (text + " a b").split()[:3]]] for text in texts])
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_relative_encoder_is_found_from_elsewhere(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(encoders, "_sentence_model", lambda name: loaded.append(name) or WordLengths())
    for name in ("encoder", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "encoder" / "model.safetensors").write_bytes(b"weights")
    monkeypatch.chdir(tmp_path)
    chosen, run = recipe(shop, "model.precision=fp32", "items.encoder=encoder"), tmp_path / "run"
    interrupt(chosen, shop, run)
    monkeypatch.chdir(tmp_path / "elsewhere")
    train(chosen, open_dataset(shop / "dataset"), run, silent, resume=True)
    encoders.load_encoder(run / "model")
    assert set(loaded) == {str(tmp_path / "encoder")}
    for name in ("encoder", "run"):  # both are moved
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    encoders.load_encoder(Path("run/model"))
    assert loaded[-1] == str(tmp_path / "elsewhere" / "encoder")
    assert item_folder("run/model", "encoder") == tmp_path / "elsewhere" / "run" / "model"
    (tmp_path / "elsewhere" / "encoder" / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(ModelError, match="not the one by which the items' words are read: its weights differ"):
        encoders.load_encoder(Path("run/model"))
    with pytest.raises(ModelError, match="built with the encoder"):
        item_folder("run/model", "encoder")
