"""MLflow: what was logged is read back through the library itself."""

import sys
from pathlib import Path
from typing import Any

import pytest

from shoptalk.errors import MissingExtra, RunError
from shoptalk.recipe import parse_recipe
from shoptalk.training.log import Log
from shoptalk.training.trackers import make_trackers

RECIPE = parse_recipe(
    {
        "name": "tracked",
        "data": {"source": "table", "interactions": "x.csv"},
        "prompt": {"task": "generate_title"},
        "training": {"trackers": ["mlflow"], "learning_rate": 0.25},
    }
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One store for all tests: making its tables takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


@pytest.fixture(autouse=True)
def _store_of_the_tests(monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)


def runs(store: str) -> list[Any]:
    """All MLflow runs of the experiment, each with a client of the store."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=store)
    experiment = client.get_experiment_by_name("tracked")
    experiment_runs = client.search_runs([experiment.experiment_id]) if experiment else []
    return [(run, client) for run in experiment_runs]


def run_named(store: str, name: str) -> tuple[Any, Any]:
    """The MLflow run of a name, and a client of its store."""
    return next((run, client) for run, client in runs(store) if run.info.run_name == name)


def test_losses_and_the_recipe_are_read_back(tmp_path: Path, store: str) -> None:
    run = tmp_path / "first"
    run.mkdir()
    with Log(run, 0, make_trackers(RECIPE)) as log:
        log.event("epoch", 10, train=1.5, validation=2.0, phase="items", **{"ndcg@10": 0.125})
        log.event("epoch", 20, train=1.25, validation=1.75, phase="items")
    mlflow_run, client = run_named(store, "first")
    history = client.get_metric_history(mlflow_run.info.run_id, "epoch/validation")
    assert [(metric.step, metric.value) for metric in history] == [(10, 2.0), (20, 1.75)]
    assert mlflow_run.data.metrics["epoch/ndcg_at_10"] == 0.125
    assert mlflow_run.data.params["training.learning_rate"] == "0.25"
    assert mlflow_run.data.params["name"] == "tracked"
    assert mlflow_run.info.status == "FINISHED"


def test_a_resumed_training_continues_its_run(tmp_path: Path, store: str) -> None:
    run = tmp_path / "killed"
    run.mkdir()
    Log(run, 0, make_trackers(RECIPE)).event("epoch", 10, validation=2.0)  # and then the process is gone
    with Log(run, 10, make_trackers(RECIPE)) as log:
        log.event("epoch", 20, validation=1.0)
    assert [mlflow_run.info.run_name for mlflow_run, _ in runs(store)].count("killed") == 1
    mlflow_run, client = run_named(store, "killed")
    history = client.get_metric_history(mlflow_run.info.run_id, "epoch/validation")
    assert [metric.value for metric in history] == [2.0, 1.0]


def test_an_error_ends_the_run_as_failed(tmp_path: Path, store: str) -> None:
    run = tmp_path / "failed"
    run.mkdir()
    with pytest.raises(KeyError), Log(run, 0, make_trackers(RECIPE)):
        raise KeyError
    assert run_named(store, "failed")[0].info.status == "FAILED"


def test_a_store_that_cannot_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "MLFLOW_TRACKING_URI", str(tmp_path / "mlruns")
    )  # a store of files, which MLflow no longer opens
    with pytest.raises(RunError, match="MLflow") as caught:
        Log(tmp_path, 0, make_trackers(RECIPE))
    assert "mlruns" in str(caught.value.where)


def test_without_the_library_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setattr("shoptalk.errors.find_spec", lambda module: None)
    with pytest.raises(MissingExtra, match=r"pip install 'shoptalk\[mlflow\]'"):
        make_trackers(RECIPE)
