"""MLflow: what was logged is read back through the library itself."""

import sys
from pathlib import Path
from typing import Any

import pytest

from shoptalk.errors import MissingExtra, RunError
from shoptalk.recipe import parse_recipe
from shoptalk.training.log import Log
from shoptalk.training.trackers import make_trackers

RECIPE = parse_recipe({
    "name": "tracked", "data": {"source": "table", "interactions": "x.csv"}, "prompt": {"task": "generate_title"},
    "training": {"trackers": ["mlflow"], "learning_rate": 0.25},
})  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One store for all tests: making its tables takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)


def runs(store: str) -> list[Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=store)
    experiment = client.get_experiment_by_name("tracked")
    found = client.search_runs([experiment.experiment_id]) if experiment else []
    return [(run, client) for run in found]


def of(store: str, name: str) -> tuple[Any, Any]:
    return next((run, client) for run, client in runs(store) if run.info.run_name == name)


def test_losses_and_the_recipe_are_read_back(tmp_path: Path, store: str) -> None:
    run = tmp_path / "first"
    run.mkdir()
    with Log(run, 0, make_trackers(RECIPE)) as log:
        log.event("epoch", 10, train=1.5, validation=2.0, phase="items", **{"ndcg@10": 0.125})
        log.event("epoch", 20, train=1.25, validation=1.75, phase="items")
    found, client = of(store, "first")
    shown = client.get_metric_history(found.info.run_id, "epoch/validation")
    assert [(metric.step, metric.value) for metric in shown] == [(10, 2.0), (20, 1.75)]
    assert found.data.metrics["epoch/ndcg_at_10"] == 0.125
    assert found.data.params["training.learning_rate"] == "0.25"
    assert found.data.params["name"] == "tracked"
    assert found.info.status == "FINISHED"


def test_a_training_that_was_killed_goes_on_in_its_run(tmp_path: Path, store: str) -> None:
    run = tmp_path / "killed"
    run.mkdir()
    Log(run, 0, make_trackers(RECIPE)).event("epoch", 10, validation=2.0)  # and then the process is gone
    with Log(run, 10, make_trackers(RECIPE)) as log:
        log.event("epoch", 20, validation=1.0)
    assert [one.info.run_name for one, _ in runs(store)].count("killed") == 1
    found, client = of(store, "killed")
    assert [metric.value for metric in client.get_metric_history(found.info.run_id, "epoch/validation")] == [2.0, 1.0]


def test_an_error_ends_the_run_as_failed(tmp_path: Path, store: str) -> None:
    run = tmp_path / "failed"
    run.mkdir()
    with pytest.raises(KeyError), Log(run, 0, make_trackers(RECIPE)):
        raise KeyError
    assert of(store, "failed")[0].info.status == "FAILED"


def test_a_store_that_cannot_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "mlruns"))  # the store of files that MLflow gave up
    with pytest.raises(RunError, match="MLflow") as caught:
        Log(tmp_path, 0, make_trackers(RECIPE))
    assert "mlruns" in str(caught.value.where)


def test_without_the_library_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setattr("shoptalk.errors.find_spec", lambda module: None)
    with pytest.raises(MissingExtra, match=r"pip install 'shoptalk\[mlflow\]'"):
        make_trackers(RECIPE)
