"""Sweeps: their files, resuming after a kill, and that no trial reads the test before the winner is fixed."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from shoptalk.cli.main import main
from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.data.sealed import seal
from shoptalk.errors import DatasetError, MissingExtra, RunError, ShoptalkError
from shoptalk.experiment import evaluate
from shoptalk.progress import silent
from shoptalk.recipe import Recipe, parse_recipe, read_recipe
from shoptalk.results import as_json
from shoptalk.runs import open_run
from shoptalk.stages import trial as trials
from shoptalk.stages.study import Study
from shoptalk.stages.sweep import sweep as run_sweep
from shoptalk.stages.trial import Trial, run_trial

pytest.importorskip("optuna")
pytestmark = pytest.mark.usefixtures("without_report")  # only the sweep of the fixture `swept` writes one

TINY = [
    "model.width=32",
    "model.layers=1",
    "model.precision=fp32",
    "model.vocabulary=300",
    "training.epochs=2",
    "training.pretrain_epochs=0",
    "training.choice_epochs=0",
    "prompt.task=next_item",
    "prompt.style=bare",
    "items.dimensions=16",
    "evaluation.resamples=100",
    'evaluation.baselines=["chance", "popularity"]',
]
GRID = """
[sweep]
metric = "ndcg@10"
[sweep.space]
training.learning_rate = [1e-4, 1e-2]
items.dropout = [0.0, 0.5]
"""


#: Two trials of one epoch, for tests of what happens around the trials.
TWO_TRIALS = ("training.epochs=1", "sweep.space={items.dropout=[0.0, 0.5]}")


def sweep(recipe: Recipe, out: Path, progress: Any, **arguments: Any) -> dict[str, Any]:
    """The result of a sweep as ``--json`` prints it."""
    content: dict[str, Any] = as_json(run_sweep(recipe, out, progress, **arguments))
    return content


def write_recipe(shop: Path, folder: Path, section: str, *settings: str) -> Path:
    """Write a recipe with a section [sweep] and a tiny model, and return its file."""
    path = folder / "sweep.toml"
    path.write_text((shop / "recipe.toml").read_text() + section)
    path.write_text(read_recipe(path, [*TINY, *settings]).to_toml())
    return path


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    """The exit code of a command, and the one JSON object that it prints."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments), "--json"])
    return int(caught.value.code or 0), json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of raw files with their recipe, smaller than that of the other tests; tests must not change it."""
    folder = tmp_path_factory.mktemp("shop")
    write_sample(folder, users=60, items=30)
    return folder


@pytest.fixture(scope="module")
def swept(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished grid of four trials; tests must not change it."""
    folder = tmp_path_factory.mktemp("swept")
    recipe = write_recipe(shop, folder, GRID)
    with pytest.raises(SystemExit) as caught:
        main(["sweep", str(recipe), "--out", str(folder / "sweep"), "--json"])
    assert not caught.value.code
    return folder / "sweep"


def test_a_grid_runs_all_trials_and_evaluates_the_best(swept: Path) -> None:
    report = json.loads((swept / "sweep.json").read_text())
    settings = [tuple(row["settings"].values()) for row in report["trials"]]
    assert settings == [(1e-4, 0.0), (1e-4, 0.5), (1e-2, 0.0), (1e-2, 0.5)]
    assert [row["state"] for row in report["trials"]] == ["complete"] * 4
    winner = report["winner"]
    assert winner["value"] == max(row["value"] for row in report["trials"])
    assert winner["settings"]["training.learning_rate"] == 1e-2  # the smaller rate has hardly learned
    run = open_run(Path(winner["run"]))
    assert run.folder == swept / "trials" / str(winner["number"])
    best = run.info["training"]["losses"][run.info["training"]["best_epoch"] - 1]
    assert winner["value"] == best["ndcg@10"]
    assert winner["metrics"] == json.loads((run.folder / "metrics.json").read_text())["metrics"]
    assert sum(report["importance"].values()) == pytest.approx(1)
    losers = [Path(row["run"]) for row in report["trials"] if row["run"] != winner["run"]]
    assert not any((run / "metrics.json").exists() for run in losers)
    assert (run.folder / "report.html").stat().st_size
    page = (swept / "report.html").read_text()
    assert page.count("data:image/svg+xml") == 2
    assert "http" not in page.replace("http://www.w3.org", "")


def test_the_winners_recipe_is_that_of_its_run(swept: Path) -> None:
    recipe = read_recipe(swept / "winner.toml")
    assert recipe.sweep is None
    winner = json.loads((swept / "sweep.json").read_text())["winner"]
    assert recipe.training.learning_rate == winner["settings"]["training.learning_rate"]
    assert open_run(Path(winner["run"])).recipe == recipe


def test_resuming_a_finished_sweep_runs_no_trial(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads((swept / "sweep.json").read_text())
    before = {path: path.stat().st_mtime_ns for path in swept.glob("trials/*/log.jsonl")}
    with pytest.raises(SystemExit) as caught:
        main(["sweep", str(swept / "recipe.toml"), "--out", str(swept), "--resume"])
    assert not caught.value.code
    assert before == {path: path.stat().st_mtime_ns for path in swept.glob("trials/*/log.jsonl")}
    assert json.loads((swept / "sweep.json").read_text())["winner"] == report["winner"]
    printed = capsys.readouterr().out
    assert "learning rate 0.01" in printed
    assert "winner on the test: Recall@10" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "SWEPT"], "already holds a sweep"),
        (["--out", "SWEPT", "--resume", "--set", "training.epochs=3"], "not the one that this sweep began with"),
        (["--out", "NEW", "--set", "sweep.metric=acuracy"], "sweep.metric"),
        (
            ["--out", "NEW", "--set", "sweep.metric=accuracy", "--set", "sweep.method=tpe", "--jobs", "0"],
            "greater than",
        ),
    ],
)
def test_invalid_arguments_are_errors(
    swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    folders = {"SWEPT": str(swept), "NEW": str(tmp_path / "new")}
    arguments = [folders.get(argument, argument) for argument in arguments]
    code, report = call(capsys, "sweep", swept / "recipe.toml", *arguments)
    assert code == 2
    assert message in report["error"]["message"]
    assert not (tmp_path / "new").exists()


def test_a_recipe_without_the_section_is_an_error(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = call(capsys, "sweep", shop / "recipe.toml", "--out", tmp_path / "new")
    assert code == 2
    assert "no section [sweep]" in report["error"]["message"]


def test_other_commands_ignore_the_section(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(shop, tmp_path, GRID, "training.epochs=1")
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main(["run", str(recipe), "--out", str(tmp_path / "run"), "--json"])
    assert not caught.value.code
    assert "[sweep] is ignored" in capsys.readouterr().err
    assert read_recipe(tmp_path / "run" / "recipe.toml").sweep is None


@pytest.mark.parametrize(
    ("setting", "message"),
    [('data.reviews="/nowhere/reviews.json"', "nowhere"), ("split.fractions=[0.5, 0.0, 0.5]", "no validation cases")],
)
def test_an_error_before_the_first_trial_leaves_the_folder_empty(
    shop: Path, tmp_path: Path, setting: str, message: str
) -> None:
    recipe = read_recipe(write_recipe(shop, tmp_path, GRID, "split.method=by-user", setting))
    with pytest.raises(ShoptalkError, match=message):
        sweep(recipe, tmp_path / "sweep", silent)
    assert not [path for path in (tmp_path / "sweep").iterdir() if not path.name.startswith(".")]


@pytest.mark.parametrize("missing", ["optuna", "mlflow"])
def test_a_missing_extra_is_an_error_before_the_first_trial(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    recipe = read_recipe(write_recipe(shop, tmp_path, GRID, 'training.trackers=["mlflow"]'))
    monkeypatch.setattr("shoptalk.errors.find_spec", lambda module: None if module == missing else object())
    with pytest.raises(MissingExtra, match=rf"shoptalk\[{'sweep' if missing == 'optuna' else missing}\]"):
        sweep(recipe, tmp_path / "sweep", silent)
    assert not (tmp_path / "sweep").exists()


# The sealed dataset


@pytest.fixture(scope="module")
def sealed(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path]:
    """A recipe, and the sealed dataset that its trials use, beside the whole one; tests must not change them."""
    folder = tmp_path_factory.mktemp("sealed")
    recipe = read_recipe(write_recipe(shop, folder, GRID)).at({})
    prepare(recipe, folder / "whole")
    seal(folder / "whole", folder / "sealed")
    return recipe, folder / "sealed"


@pytest.mark.parametrize("read", [len, list, lambda test: test[0]])
def test_a_trial_that_reads_the_test_fails(
    sealed: tuple[Recipe, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Any
) -> None:
    def train_with_test(recipe: Recipe, dataset: Dataset, *_: object, **__: object) -> None:
        read(dataset.split().test)

    monkeypatch.setattr(trials, "train", train_with_test)
    end = run_trial(Trial(sealed[0], tmp_path / "run", sealed[1], "ndcg@10"), lambda event: False)
    assert (end["state"], end["value"]) == ("failed", None)
    assert "the test is sealed until the sweep's winner is fixed" in end["says"]


def test_a_trial_on_an_unsealed_dataset_fails(sealed: tuple[Recipe, Path], tmp_path: Path) -> None:
    recipe, dataset = sealed
    end = run_trial(Trial(recipe, tmp_path / "run", dataset.parent / "whole", "ndcg@10"), lambda event: False)
    assert (end["state"], end["value"]) == ("failed", None)
    assert "only run on a dataset whose test is sealed" in end["says"]
    assert not (tmp_path / "run").exists()


def test_no_test_row_is_on_disk_while_trials_run(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, parts_by_trial = tmp_path / "sweep", []

    def check_and_run(trial: Trial, send: object) -> dict[str, Any]:
        """Collect the parts in all tables on disk, run the trial, and try to evaluate it on the test."""
        tables = [path for path in out.rglob("*.parquet") if "split" in pq.read_schema(path).names]
        parts_by_trial.append({part for path in tables for part in pq.read_table(path)["split"].to_pylist()})
        assert not (out / "winner.toml").exists()
        end = run_trial(trial, send)  # type: ignore[arg-type]
        with pytest.raises(DatasetError, match="sealed"):
            evaluate(trial.folder, silent)
        return end

    monkeypatch.setattr("shoptalk.stages.workers.run_trial", check_and_run)
    recipe = write_recipe(shop, tmp_path, GRID, *TWO_TRIALS)
    sweep(read_recipe(recipe), out, silent)
    assert parts_by_trial == [{"train", "validation"}] * 2
    assert not open_dataset(out / "dataset").sealed


def test_changed_sources_are_an_error_before_the_test(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = read_recipe(write_recipe(shop, tmp_path, GRID, *TWO_TRIALS))

    def prepare_changed(prepared: Recipe, out: Path, *arguments: Any) -> dict[str, Any]:
        """Prepare the dataset; after the winner is chosen, with fewer users."""
        if (tmp_path / "sweep" / "winner.toml").exists():
            content = prepared.model_dump(exclude_none=True)
            prepared = parse_recipe({**content, "data": {**content["data"], "min_history": 6}})
        return prepare(prepared, out, *arguments)

    monkeypatch.setattr("shoptalk.stages.sweep.prepare", prepare_changed)
    with pytest.raises(DatasetError, match="not the test that was sealed"):
        sweep(recipe, tmp_path / "sweep", silent)
    assert open_dataset(tmp_path / "sweep" / "dataset").sealed
    monkeypatch.setattr("shoptalk.stages.sweep.prepare", prepare)
    assert sweep(recipe, tmp_path / "sweep", silent, resume=True)["winner"]["metrics"]


# Resuming


#: The command line, killed when the second trial has written its first checkpoint.
KILLED_COMMAND = """
import os, signal, sys
from shoptalk.cli.main import main
from shoptalk.training import loop

save_checkpoint = loop.save_checkpoint

def save_and_kill(folder, *arguments):
    save_checkpoint(folder, *arguments)
    if folder.parent.name == "1":
        os.kill(os.getpid(), signal.SIGKILL)

loop.save_checkpoint = save_and_kill
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_killed_sweep_repeats_only_the_running_trial(shop: Path, tmp_path: Path) -> None:
    recipe = write_recipe(
        shop,
        tmp_path,
        GRID,
        "training.epochs=3",
        "training.patience=0",
        "training.checkpoint_seconds=0",
        "sweep.space={items.dropout=[0.0, 0.3, 0.5]}",
    )
    out = tmp_path / "sweep"
    command = [sys.executable, "-c", KILLED_COMMAND, "sweep", str(recipe), "--out", str(out)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (out / "trials" / "0" / "model").exists()
    assert not (out / "winner.toml").exists()
    first = (out / "trials" / "0" / "run.json").read_bytes()
    report = sweep(read_recipe(recipe), out, silent, resume=True)
    assert [row["state"] for row in report["trials"]] == ["complete", "interrupted", "complete", "complete"]
    assert (out / "trials" / "0" / "run.json").read_bytes() == first  # not repeated
    assert report["trials"][3]["settings"] == report["trials"][1]["settings"]
    assert not (out / "trials" / "1").exists()
    epochs = [event["epoch"] for event in events(out / "trials" / "3") if event["event"] == "epoch"]
    assert epochs == [1, 2, 3]
    assert len(list((out / "trials" / "3" / "tensorboard").iterdir())) == 2  # continued from the checkpoint
    uninterrupted = sweep(read_recipe(recipe), tmp_path / "uninterrupted", silent)
    values = {tuple(row["settings"].values()): row["value"] for row in uninterrupted["trials"]}
    assert {tuple(row["settings"].values()): row["value"] for row in report["trials"] if row["value"]} == values
    assert report["winner"]["metrics"] == uninterrupted["winner"]["metrics"]


def events(run: Path) -> list[dict[str, Any]]:
    """The events in the log of a run."""
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_two_processes_do_not_share_a_folder(swept: Path) -> None:
    import fcntl

    with (swept / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="another process is running this sweep"):
            sweep(read_recipe(swept / "recipe.toml"), swept, silent, resume=True)


@pytest.mark.slow
def test_killed_workers_fail_only_their_trials_and_the_others_are_as_with_one_job(
    swept: Path, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = read_recipe(write_recipe(shop, tmp_path, GRID))
    killed: list[int] = []
    report = Study.report

    def report_and_kill(study: Study, number: int, epoch: int, value: float) -> bool:
        """At the first report, kill both workers: the one that waits for an answer, and the one that trains."""
        for child in [] if killed else multiprocessing.active_children():
            child.kill()
            child.join()
            killed.append(child.pid or 0)
        return report(study, number, epoch, value)

    monkeypatch.setattr(Study, "report", report_and_kill)
    result = sweep(recipe, tmp_path / "sweep", silent, jobs=2)
    assert len(killed) == 2
    assert [row["state"] for row in result["trials"]] == ["failed"] * 2 + ["complete"] * 2
    assert all("code -9" in row["says"] for row in result["trials"][:2])
    expected = json.loads((swept / "sweep.json").read_text())
    keys = ("number", "value", "settings")
    assert [[row[key] for key in keys] for row in result["trials"][2:]] == [
        [row[key] for key in keys] for row in expected["trials"][2:]
    ]
    assert result["winner"]["metrics"] == expected["winner"]["metrics"]


@pytest.mark.slow
def test_workers_end_when_the_sweep_is_killed(shop: Path, tmp_path: Path) -> None:
    recipe = write_recipe(shop, tmp_path, GRID, "training.epochs=100000", "training.patience=0")
    out = tmp_path / "sweep"
    command = [sys.executable, "-m", "shoptalk.cli.main", "sweep", str(recipe), "--out", str(out), "--jobs", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    logs = [out / "trials" / name / "log.jsonl" for name in ("0", "1")]
    while not all(log.exists() and log.stat().st_size for log in logs) and process.poll() is None:
        time.sleep(0.1)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) >= 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    psutil.wait_procs(workers)  # their training is endless: they end only because the sweep has ended
    assert not any(worker.is_running() for worker in workers)


# Search methods


@pytest.mark.slow
def test_tpe_prunes_bad_trials(shop: Path, tmp_path: Path) -> None:
    section = """
[sweep]
method = "tpe"
trials = 9
prune = true
[sweep.space]
training.learning_rate = {low = 1e-3, high = 1e3, log = true}
"""
    recipe = read_recipe(write_recipe(shop, tmp_path, section, "training.epochs=4", "training.patience=0"))
    report = sweep(recipe, tmp_path / "sweep", silent)
    assert len(report["trials"]) == 9
    pruned = [row for row in report["trials"] if row["state"] == "pruned"]
    assert pruned
    assert all(row["settings"]["training.learning_rate"] > 0.1 for row in pruned)
    assert report["winner"]["settings"]["training.learning_rate"] < 0.1
    for row in pruned:
        run = Path(row["run"])
        assert 0 < len([event for event in events(run) if event["event"] == "epoch"]) < 4
        assert not (run / "model").exists()
        assert not (run / "checkpoints").exists()
    recipe = read_recipe(write_recipe(shop, tmp_path, section, "training.epochs=1", "sweep.trials=3"))
    repeated = sweep(recipe, tmp_path / "repeated", silent)
    assert [row["settings"] for row in repeated["trials"]] == [row["settings"] for row in report["trials"][:3]]


def test_only_the_winner_is_fitted_again_with_validation_purchases(shop: Path, tmp_path: Path) -> None:
    recipe = read_recipe(write_recipe(shop, tmp_path, GRID, "training.refit=true", *TWO_TRIALS))
    report = sweep(recipe, tmp_path / "sweep", silent)
    assert not any(open_run(Path(row["run"])).recipe.training.refit for row in report["trials"])
    assert open_run(tmp_path / "sweep" / "winner").recipe.training.refit
    assert report["winner"]["run"] == str(tmp_path / "sweep" / "winner")


def test_the_value_of_a_trial_is_the_accuracy_on_validation_cases(shop: Path, tmp_path: Path) -> None:
    section = '\n[sweep]\nmetric = "accuracy"\n[sweep.space]\nprompt.task = ["generate_title", "multiple_choice"]\n'
    recipe = read_recipe(write_recipe(shop, tmp_path, section, "prompt.style=plain", "training.targets=last"))
    report = sweep(recipe, tmp_path / "sweep", silent)
    cases = len(open_dataset(tmp_path / "sweep" / "dataset").split("last").validation)
    for row in report["trials"]:
        assert row["value"] * cases == pytest.approx(round(row["value"] * cases))
    assert report["winner"]["value"] == max(row["value"] for row in report["trials"])


def test_mlflow_stores_all_trials_in_one_store(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    recipe = read_recipe(write_recipe(shop, tmp_path, GRID, 'training.trackers=["mlflow"]', *TWO_TRIALS))
    report = sweep(recipe, tmp_path / "sweep", silent)
    assert "MLFLOW_TRACKING_URI" not in os.environ
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'sweep' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("sample")
    assert experiment is not None
    mlflow_runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    for row in report["trials"]:
        run = mlflow_runs[str(row["number"])]
        assert run.data.metrics["epoch/ndcg_at_10"] == row["value"]
        assert run.data.params["items.dropout"] == str(row["settings"]["items.dropout"])
