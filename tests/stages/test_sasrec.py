"""When the SASRec of a run is taken as it is, goes on, or is trained anew."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.progress import silent
from shoptalk.recipe import read_recipe, with_settings
from shoptalk.runs import Run, create_run, open_run
from shoptalk.stages import sasrec
from shoptalk.stages import train as stage
from shoptalk.stages.sasrec import learn_sasrec, sasrec_recipe

Learn = Callable[[Run], int]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("sasrec")
    write_sample(folder, users=50, items=30)
    prepare(read_recipe(folder / "recipe.toml", ["prompt.task=next_item", "prompt.style=bare"]), folder / "dataset")
    return open_dataset(folder / "dataset")


@pytest.fixture
def run(shop: Dataset, tmp_path: Path) -> Run:
    settings = ["prompt.task=next_item", "prompt.style=bare", "model.precision=fp32", "training.choice_epochs=0"]
    recipe = read_recipe(shop.folder.parent / "recipe.toml", settings)
    return create_run(tmp_path / "run", recipe, shop.folder, shop.fingerprint)


@pytest.fixture
def trainings(shop: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Learn]:
    """Learns a small SASRec for a run; returns how many trainings that took."""
    monkeypatch.setitem(sasrec.MODEL, "width", 32)
    monkeypatch.setitem(sasrec.TRAINING, "epochs", 1)
    count, loop = 0, stage.fine_tune

    def counted(*given: object, **named: object) -> object:
        nonlocal count
        count += 1
        return loop(*given, **named)

    monkeypatch.setattr(stage, "fine_tune", counted)

    def learn(run: Run) -> int:
        before = count
        assert learn_sasrec(run, shop, silent).name == "sasrec"
        return count - before

    return learn


def changed(run: Run, *settings: str, seed: int | None = None) -> Run:
    """The run as evaluating with other settings, or another seed, opens it."""
    return replace(run, recipe=with_settings(run.recipe, settings, seed, "evaluation"))


def test_it_is_trained_once_whatever_the_settings_of_the_evaluation(run: Run, trainings: Learn) -> None:
    assert trainings(run) == 1
    assert trainings(run) == 0
    assert trainings(changed(run, "evaluation.resamples=300", "evaluation.k=5")) == 0


def test_another_seed_trains_another(run: Run, trainings: Learn) -> None:
    assert trainings(run) == 1
    assert trainings(changed(run, seed=7)) == 1
    assert open_run(run.folder / "sasrec").recipe.seed == 7
    assert trainings(changed(run, seed=7)) == 0


def test_what_is_damaged_is_trained_anew(run: Run, trainings: Learn) -> None:
    folder = run.folder / "sasrec"
    folder.mkdir()
    (folder / "recipe.toml").write_text(sasrec_recipe(run.recipe).to_toml())  # killed before run.json was there
    assert trainings(run) == 1
    (folder / "recipe.toml").write_text("seed = ")
    assert trainings(run) == 1
    (folder / "run.json").write_text("{")
    assert trainings(run) == 1
    (folder / "model" / "model.safetensors").write_bytes(b"half")
    assert trainings(run) == 1
    assert trainings(run) == 0


def test_another_dataset_trains_another(run: Run, trainings: Learn) -> None:
    assert trainings(run) == 1
    path = run.folder / "sasrec" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "fingerprint": "of another"}))
    assert trainings(run) == 1


def test_an_interrupted_one_goes_on_with_its_own_recipe(
    run: Run, trainings: Learn, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run.folder / "sasrec"
    own = changed(run, "evaluation.resamples=300")
    with monkeypatch.context() as patched:
        patched.setattr(stage, "verify", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            trainings(own)
    date = "2020-02-29"  # a day on which the run that goes on was begun
    path = folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "date": date}))
    assert trainings(run) == 1
    assert open_run(folder).info["date"] == date
    assert open_run(folder).recipe == sasrec_recipe(own.recipe)
