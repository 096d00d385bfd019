"""Sweeps: what they leave, how they go on after a kill, and that the test is nobody's before the winner is fixed."""

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
from shoptalk.data.sealed import seal
from shoptalk.errors import DatasetError, MissingExtra, RunError, ShoptalkError
from shoptalk.progress import silent
from shoptalk.recipe import Recipe, parse_recipe, read_recipe
from shoptalk.results import as_json
from shoptalk.runs import open_run
from shoptalk.stages import trial as trials
from shoptalk.stages.study import Study
from shoptalk.stages.sweep import sweep as sweep_typed
from shoptalk.stages.trial import Trial, run_trial

pytest.importorskip("optuna")

TINY = ["model.width=32", "model.layers=1", "model.precision=fp32",
        "model.vocabulary=300", "training.epochs=2", "training.pretrain_epochs=0",
        "training.choice_epochs=0", "prompt.task=next_item", "prompt.style=bare", "items.dimensions=16",
        "evaluation.resamples=100", 'evaluation.baselines=["chance", "popularity"]']  # fmt: skip
GRID = """
[sweep]
metric = "ndcg@10"
[sweep.space]
training.learning_rate = [1e-4, 1e-2]
items.dropout = [0.0, 0.5]
"""


def sweep(recipe: Recipe, out: Path, progress: Any, **more: Any) -> dict[str, Any]:
    """What ``--json`` prints."""
    content: dict[str, Any] = as_json(sweep_typed(recipe, out, progress, **more))
    return content


def recipe_of(shop: Path, folder: Path, section: str, *settings: str) -> Path:
    """A recipe's file with a section [sweep] and tiny settings."""
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
def swept(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished grid of four trials; nobody may change it."""
    folder = tmp_path_factory.mktemp("swept")
    recipe = recipe_of(shop, folder, GRID)
    with pytest.raises(SystemExit) as caught:
        main(["sweep", str(recipe), "--out", str(folder / "sweep"), "--json"])
    assert not caught.value.code
    return folder / "sweep"


def test_a_grid_tries_everything_and_judges_the_best(swept: Path) -> None:
    report = json.loads((swept / "sweep.json").read_text())
    tried = [tuple(row["settings"].values()) for row in report["trials"]]
    assert tried == [(1e-4, 0.0), (1e-4, 0.5), (1e-2, 0.0), (1e-2, 0.5)]
    assert [row["state"] for row in report["trials"]] == ["complete"] * 4
    winner = report["winner"]
    assert winner["value"] == max(row["value"] for row in report["trials"])
    assert winner["settings"]["training.learning_rate"] == 1e-2  # the other has hardly learned
    run = open_run(Path(winner["run"]))
    assert run.folder == swept / "trials" / str(winner["number"])
    best = run.info["training"]["losses"][run.info["training"]["best_epoch"] - 1]
    assert winner["value"] == best["ndcg@10"]
    assert winner["metrics"] == json.loads((run.folder / "metrics.json").read_text())["metrics"]
    assert sum(report["importance"].values()) == pytest.approx(1)
    others = [Path(row["run"]) for row in report["trials"] if row["run"] != winner["run"]]
    assert not any((other / "metrics.json").exists() for other in others)
    page = (swept / "report.html").read_text()
    assert page.count("data:image/svg+xml") == 2
    assert "http" not in page.replace("http://www.w3.org", "")


def test_the_winners_recipe_makes_the_winner_again(swept: Path, tmp_path: Path) -> None:
    recipe = read_recipe(swept / "winner.toml")
    assert recipe.sweep is None
    winner = json.loads((swept / "sweep.json").read_text())["winner"]
    assert recipe.training.learning_rate == winner["settings"]["training.learning_rate"]
    assert open_run(Path(winner["run"])).recipe == recipe


def test_a_finished_sweep_tries_nothing_more_and_says_the_same(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = json.loads((swept / "sweep.json").read_text())
    before = {path: path.stat().st_mtime_ns for path in swept.glob("trials/*/log.jsonl")}
    with pytest.raises(SystemExit) as caught:
        main(["sweep", str(swept / "recipe.toml"), "--out", str(swept), "--resume"])
    assert not caught.value.code
    assert before == {path: path.stat().st_mtime_ns for path in swept.glob("trials/*/log.jsonl")}
    assert json.loads((swept / "sweep.json").read_text())["winner"] == old["winner"]
    stated = capsys.readouterr().out
    assert "learning rate 0.01" in stated
    assert "winner on the test: Recall@10" in stated


@pytest.mark.parametrize(
    ("arguments", "says"),
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
def test_bad_input_is_one_line(
    swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    indices = {"SWEPT": str(swept), "NEW": str(tmp_path / "new")}
    arguments = [indices.get(argument, argument) for argument in arguments]
    code, report = call(capsys, "sweep", swept / "recipe.toml", *arguments)
    assert code == 2
    assert says in report["error"]["message"]
    assert not (tmp_path / "new").exists()


def test_a_recipe_without_a_sweep_says_so(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = call(capsys, "sweep", shop / "recipe.toml", "--out", tmp_path / "new")
    assert code == 2
    assert "no section [sweep]" in report["error"]["message"]


def test_other_commands_leave_the_section_aside(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = recipe_of(shop, tmp_path, GRID, "training.epochs=1")
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main(["run", str(recipe), "--out", str(tmp_path / "run"), "--json"])
    assert not caught.value.code
    assert "[sweep] is ignored" in capsys.readouterr().err
    assert read_recipe(tmp_path / "run" / "recipe.toml").sweep is None


@pytest.mark.parametrize(
    ("setting", "says"),
    [('data.reviews="/nowhere/reviews.json"', "nowhere"), ("split.fractions=[0.5, 0.0, 0.5]", "no validation cases")],
)
def test_what_fails_before_the_first_trial_leaves_the_folder_free(
    shop: Path, tmp_path: Path, setting: str, says: str
) -> None:
    bad = read_recipe(recipe_of(shop, tmp_path, GRID, "split.method=by-user", setting))
    with pytest.raises(ShoptalkError, match=says):
        sweep(bad, tmp_path / "sweep", silent)
    assert not [path for path in (tmp_path / "sweep").iterdir() if not path.name.startswith(".")]


@pytest.mark.parametrize("lacks", ["optuna", "mlflow"])
def test_a_missing_extra_is_named_first(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    recipe = read_recipe(recipe_of(shop, tmp_path, GRID, 'training.trackers=["mlflow"]'))
    monkeypatch.setattr("shoptalk.errors.find_spec", lambda module: None if module == lacks else object())
    with pytest.raises(MissingExtra, match=rf"shoptalk\[{'sweep' if lacks == 'optuna' else lacks}\]"):
        sweep(recipe, tmp_path / "sweep", silent)
    assert not (tmp_path / "sweep").exists()


# The seal


@pytest.fixture
def sealed(shop: Path, tmp_path: Path) -> tuple[Recipe, Path]:
    """A recipe, and its dataset as trials see it."""
    recipe = read_recipe(recipe_of(shop, tmp_path, GRID)).at({})
    prepare(recipe, tmp_path / "whole")
    seal(tmp_path / "whole", tmp_path / "sealed")
    return recipe, tmp_path / "sealed"


@pytest.mark.parametrize("ask", [len, list, lambda test: test[0]])
def test_a_trial_that_reads_the_test_fails(
    sealed: tuple[Recipe, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Any
) -> None:
    def peeking(recipe: Recipe, dataset: Dataset, *_: object, **__: object) -> None:
        ask(dataset.split().test)

    monkeypatch.setattr(trials, "train", peeking)
    end = run_trial(Trial(sealed[0], tmp_path / "run", sealed[1], "ndcg@10"), lambda event: False)
    assert (end["state"], end["value"]) == ("failed", None)
    assert "the test is sealed until the sweep's winner is fixed" in end["says"]


def test_a_trial_does_not_begin_on_a_dataset_with_its_test(sealed: tuple[Recipe, Path], tmp_path: Path) -> None:
    end = run_trial(Trial(sealed[0], tmp_path / "run", tmp_path / "whole", "ndcg@10"), lambda event: False)
    assert (end["state"], end["value"]) == ("failed", None)
    assert "only run on a dataset whose test is sealed" in end["says"]
    assert not (tmp_path / "run").exists()


def test_no_test_row_is_on_the_disk_while_trials_run(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, seen = tmp_path / "sweep", []

    def looking(trial: Trial, report_: object) -> dict[str, Any]:
        tables = [path for path in out.rglob("*.parquet") if "split" in pq.read_schema(path).names]
        seen.append({part for path in tables for part in pq.read_table(path)["split"].to_pylist()})
        assert not (out / "winner.toml").exists()
        end = run_trial(trial, report_)  # type: ignore[arg-type]
        with pytest.raises(DatasetError, match="sealed"):  # and nobody can judge it on the test
            trials_evaluate(trial.folder)
        return end

    monkeypatch.setattr("shoptalk.stages.workers.run_trial", looking)
    recipe = recipe_of(shop, tmp_path, GRID, "training.epochs=1", "sweep.space={items.dropout=[0.0, 0.5]}")
    sweep(read_recipe(recipe), out, silent)
    assert seen == [{"train", "validation"}] * 2
    assert not open_dataset(out / "dataset").sealed


def trials_evaluate(folder: Path) -> None:
    from shoptalk.experiment import evaluate

    evaluate(folder, silent)


def test_changed_sources_are_not_the_test_that_was_sealed(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = read_recipe(recipe_of(shop, tmp_path, GRID, "training.epochs=1", "sweep.space={items.dropout=[0.0, 0.5]}"))
    real = prepare

    def changed(given: Recipe, out: Path, *more: Any) -> dict[str, Any]:
        """The second time the shop has fewer users."""
        if (tmp_path / "sweep" / "winner.toml").exists():
            given = parse_recipe({**given.model_dump(exclude_none=True), "data": {
                **given.data.model_dump(exclude_none=True), "min_history": 6}})  # fmt: skip
        return real(given, out, *more)

    monkeypatch.setattr("shoptalk.stages.sweep.prepare", changed)
    with pytest.raises(DatasetError, match="not the test that was sealed"):
        sweep(recipe, tmp_path / "sweep", silent)
    assert open_dataset(tmp_path / "sweep" / "dataset").sealed
    monkeypatch.setattr("shoptalk.stages.sweep.prepare", real)
    assert sweep(recipe, tmp_path / "sweep", silent, resume=True)["winner"]["metrics"]


# Going on


#: The command line, killed when the second trial has written its first checkpoint.
KILLED = """
import os, signal, sys
from shoptalk.cli.main import main
from shoptalk.training import loop

real = loop.save_checkpoint

def save(folder, *rest):
    real(folder, *rest)
    if folder.parent.name == "1":
        os.kill(os.getpid(), signal.SIGKILL)

loop.save_checkpoint = save
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_kill_costs_the_running_trial_alone(shop: Path, tmp_path: Path) -> None:
    recipe = recipe_of(
        shop, tmp_path, GRID, "training.epochs=6", "training.patience=0", "training.checkpoint_seconds=0"
    )
    out = tmp_path / "sweep"
    command = [sys.executable, "-c", KILLED, "sweep", str(recipe), "--out", str(out)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (out / "trials" / "0" / "model").exists()
    assert not (out / "winner.toml").exists()
    first = (out / "trials" / "0" / "run.json").read_bytes()
    report = sweep(read_recipe(recipe), out, silent, resume=True)
    assert [row["state"] for row in report["trials"]] == ["complete", "interrupted", *["complete"] * 3]
    assert (out / "trials" / "0" / "run.json").read_bytes() == first  # was not tried again
    assert report["trials"][4]["settings"] == report["trials"][1]["settings"]
    assert not (out / "trials" / "1").exists()
    epochs = [event["epoch"] for event in events(out / "trials" / "4") if event["event"] == "epoch"]
    assert epochs == list(range(1, 7))
    assert len(list((out / "trials" / "4" / "tensorboard").iterdir())) == 2  # it went on from the checkpoint
    undisturbed = sweep(read_recipe(recipe), tmp_path / "other", silent)
    values = {tuple(row["settings"].values()): row["value"] for row in undisturbed["trials"]}
    assert {tuple(row["settings"].values()): row["value"] for row in report["trials"] if row["value"]} == values
    assert report["winner"]["metrics"] == undisturbed["winner"]["metrics"]


def events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_two_processes_do_not_share_a_folder(swept: Path) -> None:
    import fcntl

    with (swept / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="another process is at work"):
            sweep(read_recipe(swept / "recipe.toml"), swept, silent, resume=True)


@pytest.mark.slow
def test_two_jobs_find_what_one_finds(swept: Path, shop: Path, tmp_path: Path) -> None:
    recipe = read_recipe(recipe_of(shop, tmp_path, GRID))
    report = sweep(recipe, tmp_path / "sweep", silent, jobs=2)
    one = json.loads((swept / "sweep.json").read_text())
    keys = ("number", "value", "settings")
    assert [[row[key] for key in keys] for row in report["trials"]] == [
        [row[key] for key in keys] for row in one["trials"]
    ]
    assert report["winner"]["metrics"] == one["winner"]["metrics"]


@pytest.mark.slow
def test_workers_that_die_cost_their_trials_alone(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = read_recipe(recipe_of(shop, tmp_path, GRID, "training.epochs=2", "training.patience=0"))
    dead: list[int] = []
    report = Study.report

    def kill_all(study: Study, number: int, epoch: int, watched: float) -> bool:
        """The first time, both: the one that waits for an answer, and the one that is at work."""
        for child in [] if dead else multiprocessing.active_children():
            child.kill()
            child.join()
            dead.append(child.pid or 0)
        return report(study, number, epoch, watched)

    monkeypatch.setattr(Study, "report", kill_all)
    trials = sweep(recipe, tmp_path / "sweep", silent, jobs=2)["trials"]
    assert len(dead) == 2
    assert sorted(row["state"] for row in trials) == ["complete"] * 2 + ["failed"] * 2
    assert all("code -9" in row["says"] for row in trials if row["state"] == "failed")


@pytest.mark.slow
def test_workers_end_with_the_sweep_that_is_killed(shop: Path, tmp_path: Path) -> None:
    recipe = recipe_of(shop, tmp_path, GRID, "training.epochs=100000", "training.patience=0")
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
    psutil.wait_procs(workers)  # their work is endless: they end because the sweep is gone, or this test never does
    assert not any(worker.is_running() for worker in workers)


# Searching


@pytest.mark.slow
def test_tpe_stops_what_is_hopeless(shop: Path, tmp_path: Path) -> None:
    section = """
[sweep]
method = "tpe"
trials = 9
prune = true
[sweep.space]
training.learning_rate = {low = 1e-3, high = 1e3, log = true}
"""
    recipe = read_recipe(recipe_of(shop, tmp_path, section, "training.epochs=4", "training.patience=0"))
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
    again = sweep(recipe, tmp_path / "again", silent)
    assert [row["settings"] for row in again["trials"]] == [row["settings"] for row in report["trials"]]


def test_the_winner_learns_validation_purchases_only_after_it_is_fixed(shop: Path, tmp_path: Path) -> None:
    recipe = read_recipe(
        recipe_of(shop, tmp_path, GRID, "training.refit=true", "sweep.space={items.dropout=[0.0, 0.5]}")
    )
    report = sweep(recipe, tmp_path / "sweep", silent)
    assert not any(open_run(Path(row["run"])).recipe.training.refit for row in report["trials"])
    assert open_run(tmp_path / "sweep" / "winner").recipe.training.refit
    assert report["winner"]["run"] == str(tmp_path / "sweep" / "winner")


def test_accuracy_is_that_of_the_validation_cases(shop: Path, tmp_path: Path) -> None:
    section = '\n[sweep]\nmetric = "accuracy"\n[sweep.space]\nprompt.task = ["generate_title", "multiple_choice"]\n'
    recipe = read_recipe(recipe_of(shop, tmp_path, section, "prompt.style=plain", "training.targets=last"))
    report = sweep(recipe, tmp_path / "sweep", silent)
    cases = len(open_dataset(tmp_path / "sweep" / "dataset").split("last").validation)
    for row in report["trials"]:
        assert row["value"] * cases == pytest.approx(round(row["value"] * cases))
    assert report["winner"]["value"] == max(row["value"] for row in report["trials"])


def test_mlflow_keeps_all_trials_in_one_place(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    settings = ("training.epochs=1", 'training.trackers=["mlflow"]', "sweep.space={items.dropout=[0.0, 0.5]}")
    report = sweep(read_recipe(recipe_of(shop, tmp_path, GRID, *settings)), tmp_path / "sweep", silent)
    assert "MLFLOW_TRACKING_URI" not in os.environ
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'sweep' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("sample")
    assert experiment is not None
    shown = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    for row in report["trials"]:
        run = shown[str(row["number"])]
        assert run.data.metrics["epoch/ndcg_at_10"] == row["value"]
        assert run.data.params["items.dropout"] == str(row["settings"]["items.dropout"])


# The study alone


def study_recipe(**section: object) -> Recipe:
    return parse_recipe({
        "data": {"source": "table", "interactions": "x.csv"}, "prompt": {"task": "generate_title"},
        "sweep": {"method": "random", "trials": 3, "space": {"training.epochs": {"low": 1, "high": 9}}, **section},
    })  # fmt: skip


def test_what_is_drawn_does_not_depend_on_interruptions(tmp_path: Path) -> None:
    recipe = study_recipe(trials=4)
    whole = Study(recipe, tmp_path / "whole.db")
    expected = []
    while (begun := whole.next()) is not None:
        expected.append(begun.point)
        whole.end(begun.number, "complete", float(begun.point["training.epochs"]))
    found = []
    for _ in range(4):  # every second one dies
        study = Study(recipe, tmp_path / "study.db")
        study.queue()
        if (begun := study.next()) is not None:
            found.append(begun.point)
            study.end(begun.number, "complete", float(begun.point["training.epochs"]))
        study.next()
    study = Study(recipe, tmp_path / "study.db")
    assert found == expected
    assert [row.settings for row in study.rows() if row.state == "complete"] == expected
    assert study.best().value == min(point["training.epochs"] for point in expected)


def test_lists_of_texts_can_be_tried(tmp_path: Path) -> None:
    choices = [["q_proj"], ["q_proj", "v_proj"]]
    study = Study(study_recipe(method="grid", space={"lora.targets": choices}), tmp_path / "study.db")
    study.queue()
    points = [begun.point for begun in (study.next(), study.next()) if begun is not None]
    assert points == [{"lora.targets": ("q_proj",)}, {"lora.targets": ("q_proj", "v_proj")}]
    assert study.next() is None


def test_a_configuration_has_the_recipes_own_values_where_it_is_silent(tmp_path: Path) -> None:
    recipe = study_recipe(method="grid", space={}, configurations=[{}, {"lora.r": 4}, {"training.epochs": 9}])
    study = Study(recipe, tmp_path / "study.db")
    study.queue()
    points = [begun.point for begun in (study.next() for _ in range(3)) if begun is not None]
    assert [tuple(point.values()) for point in points] == [(16, 5), (4, 5), (16, 9)]


def test_importance_is_that_of_what_matters(tmp_path: Path) -> None:
    space = {"lora.r": [2, 4, 8], "training.epochs": [1, 2, 3]}
    study = Study(study_recipe(method="grid", space=space), tmp_path / "study.db")
    study.queue()
    while (begun := study.next()) is not None:
        study.end(begun.number, "complete", float(begun.point["lora.r"]))  # nothing else matters
    fractions = study.importance()
    assert fractions["lora.r"] > 0.99
    assert sum(fractions.values()) == pytest.approx(1)


def test_no_winner_without_a_finished_trial(tmp_path: Path) -> None:
    study = Study(study_recipe(), tmp_path / "study.db")
    begun = study.next()
    assert begun is not None
    study.end(begun.number, "failed", None, says="the base cannot be loaded")
    with pytest.raises(RunError, match="the base cannot be loaded"):
        study.best()


def test_a_damaged_study_is_named(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(b"not a database, but long enough to be taken for one" * 40)
    with pytest.raises(RunError, match="cannot be opened") as caught:
        Study(study_recipe(), tmp_path / "study.db")
    assert caught.value.where == str(tmp_path / "study.db")
