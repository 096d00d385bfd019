"""Sweeps: many configurations are trained, validation cases choose one, and only that one is evaluated on the test.

While trials run, the sweep's folder holds a sealed dataset without test rows (`shoptalk.data.sealed`). When
``winner.toml`` is written, no further trial is started. Only then is the whole dataset prepared again, from the same
sources and with the same fingerprint, and the winner evaluated on its test.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sealed import seal
from shoptalk.errors import DatasetError, RecipeError, RunError, require
from shoptalk.files import replacing, write_text
from shoptalk.progress import Progress
from shoptalk.recipe import Recipe, read_recipe
from shoptalk.report.sweep import label, write_sweep_report
from shoptalk.results import SweepResult, SweepWinner, read_evaluation, write_result
from shoptalk.runs import open_run
from shoptalk.stages.judge import judge
from shoptalk.stages.study import StartedTrial, Study
from shoptalk.stages.train import train
from shoptalk.stages.trained_run import open_trained_run
from shoptalk.stages.trial import Event, Trial
from shoptalk.stages.workers import make_workers
from shoptalk.training.trackers import make_trackers
from shoptalk.training.trackers.mlflow import STORE_VARIABLE, local_store

# Files and folders of a sweep's folder.
RECIPE = "recipe.toml"
DATASET = "dataset"
WHOLE = ".whole"
STUDY = "study.db"
TRIALS = "trials"
WINNER = "winner.toml"
RESULT = "sweep.json"


def sweep(recipe: Recipe, out: Path, progress: Progress, *, jobs: int = 1, resume: bool = False) -> SweepResult:
    """Run the trials of the section ``[sweep]``, choose the winner on validation cases, and evaluate it on the test.

    Parameters
    ----------
    recipe
        A recipe with a section ``[sweep]``.
    out
        Folder of the sweep.
    progress
        Called with the progress of each stage.
    jobs
        Number of trials that run at the same time, each in its own process.
    resume
        Continue an interrupted sweep: finished trials are kept, interrupted ones are repeated.

    Raises
    ------
    ShoptalkError
        For every error that a user can correct.
    """
    if recipe.sweep is None:
        raise RecipeError("the recipe has no section [sweep]", hint="docs/guide/sweeps.md describes it")
    require("optuna", "sweep")
    make_trackers(recipe)  # fails here rather than in every trial
    _check_output(recipe, out, resume=resume)
    with _locked(out), _shared_tracking_store(recipe, out):
        if not (out / WINNER).exists():
            _prepare_sealed(recipe, out, progress)
        study = Study(recipe, out / STUDY)
        seconds = {}
        for name, stage in (("trials", _run_trials), ("winner", _fix_winner), ("test", _judge_winner)):
            begin = time.perf_counter()
            stage(recipe, out, study, progress, jobs)
            seconds[name] = time.perf_counter() - begin
        result = replace(_result(recipe, out, study), seconds=seconds)
        write_result(out / RESULT, result)
        write_sweep_report(out, recipe, result)
    return result


def _check_output(recipe: Recipe, out: Path, *, resume: bool) -> None:
    """Raise unless the folder is new or empty, or is resumed with the same recipe."""
    saved_recipe = out / RECIPE
    if resume and saved_recipe.exists():
        if read_recipe(saved_recipe) != recipe:
            raise RunError("the recipe is not the one that this sweep began with", where=str(saved_recipe))
        return
    if out.exists() and not out.is_dir():
        raise RunError("this is a file, not a folder", where=str(out))
    if out.is_dir() and any(not path.name.startswith(".") for path in out.iterdir()):
        raise RunError(
            "this folder already holds a sweep" if (out / STUDY).exists() else "this folder is not empty",
            where=str(out),
            hint="continue a sweep with --resume, or choose another --out",
        )


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Lock the folder for this process; the lock is released when the process ends."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError("another process is running this sweep", where=str(out)) from error
        yield


@contextmanager
def _shared_tracking_store(recipe: Recipe, out: Path) -> Iterator[None]:
    """Let MLflow write all trials to one store in the sweep's folder, unless the environment names a store."""
    if "mlflow" not in recipe.training.trackers or os.environ.get(STORE_VARIABLE):
        yield
        return
    os.environ[STORE_VARIABLE] = local_store(out)
    try:
        yield
    finally:
        del os.environ[STORE_VARIABLE]


def _run_trials(recipe: Recipe, out: Path, study: Study, progress: Progress, jobs: int) -> None:
    """Run all configurations that have not been tried; none if the winner is already chosen."""
    assert recipe.sweep is not None
    if (out / WINNER).exists():
        return
    study.queue()
    listener = _TrialListener(recipe, study, progress)
    with make_workers(min(jobs, recipe.sweep.size), listener.listen) as workers:
        while True:
            while workers.free() and (started := study.next()) is not None:
                workers.start(started.number, _make_trial(recipe, out, started))
                listener.names[started.number] = label(started.point, recipe)
            if not workers.busy():
                break
            workers.step()


def _prepare_sealed(recipe: Recipe, out: Path, progress: Progress) -> None:
    """Prepare the sealed dataset; the whole dataset is deleted before the first trial starts."""
    whole = out / WHOLE
    if not (out / DATASET).exists():
        cases = prepare(recipe.at({}), whole, progress).cases
        empty_part = next((part for part in ("validation", "test") if not cases[part]), None)
        if empty_part is not None:
            shutil.rmtree(whole)
            raise DatasetError(f"there are no {empty_part} cases", hint=f"give the {empty_part} a share in [split]")
        progress("prepare", 1, 1, "sealing the test")
        write_text(out / RECIPE, recipe.to_toml())
        seal(whole, out / DATASET)
    shutil.rmtree(whole, ignore_errors=True)
    if not open_dataset(out / DATASET).sealed:
        raise RunError("the test of this sweep has been used, so no further trial can be run", where=str(out))


def _make_trial(recipe: Recipe, out: Path, started: StartedTrial) -> Trial:
    """The trial of a configuration, without a final fit on validation purchases.

    A trial that repeats an interrupted one takes over its folder and continues from its last checkpoint.
    """
    assert recipe.sweep is not None
    folder = out / TRIALS / str(started.number)
    interrupted = out / TRIALS / str(started.replaces)
    if started.replaces is not None and interrupted.is_dir() and not folder.exists():
        interrupted.rename(folder)
    if folder.is_dir() and not (folder / "run.json").exists():
        shutil.rmtree(folder)
    trial_recipe = recipe.at({**started.point, "items.cold_start_items": False, "training.refit": False})
    return Trial(trial_recipe, folder, out / DATASET, recipe.sweep.metric)


class _TrialListener:
    """Passes the events of trials on to the study and to the progress callback."""

    def __init__(self, recipe: Recipe, study: Study, progress: Progress) -> None:
        assert recipe.sweep is not None
        self._size, self._study, self._progress = recipe.sweep.size, study, progress
        self._fractions: dict[int, float] = {}
        self.names: dict[int, str] = {}

    def listen(self, number: int, event: Event) -> bool:
        """Handle an event of a trial, and return whether to stop the trial."""
        if event["kind"] == "epoch":
            return self._study.report(number, event["epoch"], event["watched"])
        if event["kind"] == "progress":
            self._fractions[number] = event["share"]
            self._show(number, event["words"])
        else:
            self._fractions.pop(number, None)
            self._study.end(number, event["state"], event["value"], seconds=event["seconds"], says=event["says"])
            outcome = f"{event['value']:.4f}" if event["value"] is not None else event["says"]
            self._show(number, f"{event['state']} {outcome}")
        return False

    def _show(self, number: int, message: str) -> None:
        """Report the share of the sweep that is done, with a message about one trial."""
        ended = sum(row.state not in ("running", "interrupted") for row in self._study.rows())
        done = ended + sum(self._fractions.values())
        self._progress("sweep", done, self._size, f"trial {number} ({self.names[number]}): {message}")


def _fix_winner(recipe: Recipe, out: Path, study: Study, progress: Progress, jobs: int) -> None:  # noqa: ARG001
    """Write the best configuration to ``winner.toml``; only then is the test prepared."""
    if not (out / WINNER).exists():
        write_text(out / WINNER, recipe.at(study.best().settings).to_toml())


def _judge_winner(recipe: Recipe, out: Path, study: Study, progress: Progress, jobs: int) -> None:  # noqa: ARG001
    """Open the test, and judge the winner on it, trained on validation purchases as well if its recipe says so."""
    winner, run = read_recipe(out / WINNER), winner_run(recipe, out, study)
    _open_test(recipe, out, progress)
    dataset = open_dataset(out / DATASET)
    if winner.training.refit:
        trained = train(winner, dataset, run, progress, resume=(run / "run.json").exists())
    else:
        trained = open_trained_run(open_run(run), dataset)
    judge(trained, progress)


def _open_test(recipe: Recipe, out: Path, progress: Progress) -> None:
    """Replace the sealed dataset by the whole one."""
    assert (out / WINNER).exists()
    sealed, whole = open_dataset(out / DATASET), out / WHOLE
    if not sealed.sealed:
        return
    prepared = prepare(recipe.at({}), whole, progress)
    if prepared.fingerprint != sealed.fingerprint:
        shutil.rmtree(whole)
        raise DatasetError(
            "the sources have changed since the sweep began: this is not the test that was sealed",
            where=str(out / DATASET),
            hint="restore the old sources and --resume, or start again in another folder",
        )
    with replacing(out / DATASET) as temporary:
        whole.rename(temporary)


def winner_run(recipe: Recipe, out: Path, study: Study) -> Path:
    """The folder of the run that is evaluated on the test: that of the trial, unless the winner is trained again."""
    best = study.best()
    refit = recipe.at(best.settings).training.refit
    return out / "winner" if refit else out / TRIALS / str(best.number)


def _result(recipe: Recipe, out: Path, study: Study) -> SweepResult:
    """The result of the sweep, still without its times."""
    assert recipe.sweep is not None
    run, best = winner_run(recipe, out, study), study.best()
    evaluation = read_evaluation(run)
    assert evaluation is not None  # as the winner was evaluated
    assert best.value is not None  # as it is the best
    return SweepResult(
        metric=recipe.sweep.metric,
        trials=tuple(
            replace(row, run=None if row.state == "interrupted" else str(out / TRIALS / str(row.number)))
            for row in study.rows()
        ),
        winner=SweepWinner(
            number=best.number,
            value=best.value,
            settings=best.settings,
            run=str(run),
            recipe=str(out / WINNER),
            metrics=evaluation.metrics,
            baselines=evaluation.baselines,
        ),
        importance=study.importance(),
        fingerprint=evaluation.fingerprint,
    )
