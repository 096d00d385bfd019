"""Sweeps: many configurations are tried, validation chooses one, and the test is opened for that one alone.

While trials run, the sweep's dataset holds no test row (`shoptalk.data.sealed`), and no other is on the disk. Once
``winner.toml`` is written nothing more is tried; only then is the whole dataset made again, from the same sources and
with the same fingerprint, and the winner judged on its test.
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
from shoptalk.stages.judge import judge
from shoptalk.stages.study import Begun, Study
from shoptalk.stages.train import train
from shoptalk.stages.trial import Event, Trial
from shoptalk.stages.workers import make_workers
from shoptalk.training.trackers import make_trackers
from shoptalk.training.trackers.mlflow import STORE_VARIABLE, local_store

#: In a sweep's folder.
RECIPE, DATASET, WHOLE, STUDY, TRIALS, WINNER, RESULT = (
    "recipe.toml", "dataset", ".whole", "study.db", "trials", "winner.toml", "sweep.json",
)  # fmt: skip


def sweep(recipe: Recipe, out: Path, progress: Progress, *, jobs: int = 1, resume: bool = False) -> SweepResult:
    """Try what the recipe's section ``[sweep]`` says, fix the winner by validation, then judge it on the test.

    Parameters
    ----------
    jobs
        Trials at once, each in a process of its own.
    resume
        Go on after an interruption: finished trials are kept, and those that died are tried again.

    Raises
    ------
    ShoptalkError
        For anything that a user can mend.
    """
    if recipe.sweep is None:
        raise RecipeError("the recipe has no section [sweep]", hint="docs/guide/sweeps.md says what it holds")
    require("optuna", "sweep")
    make_trackers(recipe)  # one that is not installed would fail every trial
    _check_output(recipe, out, resume=resume)
    with _alone(out), _one_store(recipe, out):
        if not (out / WINNER).exists():
            _prepare_sealed(recipe, out, progress)
        study = Study(recipe, out / STUDY)
        seconds = {}
        for name, stage in (("trials", _try_all), ("winner", _fix_winner), ("test", _judge_winner)):
            begin = time.perf_counter()
            stage(recipe, out, study, progress, jobs)
            seconds[name] = time.perf_counter() - begin
        result = replace(_result(recipe, out, study), seconds=seconds)
        write_result(out / RESULT, result)
        write_sweep_report(out, recipe, result)
    return result


def _check_output(recipe: Recipe, out: Path, *, resume: bool) -> None:
    """A new folder, or the one of the same sweep."""
    known = out / RECIPE
    if resume and known.exists():
        if read_recipe(known) != recipe:
            raise RunError("the recipe is not the one that this sweep began with", where=str(known))
        return
    if out.exists() and not out.is_dir():
        raise RunError("this is a file, not a folder", where=str(out))
    if out.is_dir() and any(not path.name.startswith(".") for path in out.iterdir()):
        raise RunError(
            "this folder already holds a sweep" if (out / STUDY).exists() else "this folder is not empty",
            where=str(out),
            hint="go on with a sweep by --resume, or choose another --out",
        )


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the folder against a second process; the lock goes with this one, however it ends."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError("another process is at work on this sweep", where=str(out)) from error
        yield


@contextmanager
def _one_store(recipe: Recipe, out: Path) -> Iterator[None]:
    """MLflow's records of all trials are in one place, so that they can be compared there."""
    if "mlflow" not in recipe.training.trackers or os.environ.get(STORE_VARIABLE):
        yield
        return
    os.environ[STORE_VARIABLE] = local_store(out)
    try:
        yield
    finally:
        del os.environ[STORE_VARIABLE]


def _try_all(recipe: Recipe, out: Path, study: Study, progress: Progress, jobs: int) -> None:
    """Every configuration that is left to try; none once the winner is fixed."""
    assert recipe.sweep is not None
    if (out / WINNER).exists():
        return
    study.queue()
    telling = _Telling(recipe, study, progress)
    with make_workers(min(jobs, recipe.sweep.size), telling.listen) as workers:
        while True:
            while workers.free() and (begun := study.next()) is not None:
                workers.start(begun.number, _trial(recipe, out, begun))
                telling.names[begun.number] = label(begun.point, recipe)
            if not workers.busy():
                break
            workers.step()


def _prepare_sealed(recipe: Recipe, out: Path, progress: Progress) -> None:
    """The dataset without its test; the whole one lies on the disk only before the first trial begins."""
    whole = out / WHOLE
    if not (out / DATASET).exists():
        cases = prepare(recipe.at({}), whole, progress).cases
        if empty := [part for part in ("validation", "test") if not cases[part]]:
            shutil.rmtree(whole)
            raise DatasetError(f"there are no {empty[0]} cases", hint=f"give the {empty[0]} a share in [split]")
        progress("prepare", 1, 1, "sealing the test")
        write_text(out / RECIPE, recipe.to_toml())
        seal(whole, out / DATASET)
    shutil.rmtree(whole, ignore_errors=True)
    if not open_dataset(out / DATASET).sealed:
        raise RunError("the test of this sweep has been opened, so nothing more can be chosen", where=str(out))


def _trial(recipe: Recipe, out: Path, begun: Begun) -> Trial:
    """A trial, which goes on from the checkpoint of the one in whose place it is; it never learns from validation."""
    assert recipe.sweep is not None
    folder = out / TRIALS / str(begun.number)
    left = out / TRIALS / str(begun.replaces)
    if begun.replaces is not None and left.is_dir() and not folder.exists():
        left.rename(folder)
    if folder.is_dir() and not (folder / "run.json").exists():
        shutil.rmtree(folder)
    tried = recipe.at({**begun.point, "items.cold_start_items": False, "training.refit": False})
    return Trial(tried, folder, out / DATASET, recipe.sweep.metric)


class _Telling:
    """Takes what trials tell to the study and to the progress."""

    def __init__(self, recipe: Recipe, study: Study, progress: Progress) -> None:
        assert recipe.sweep is not None
        self._size, self._study, self._progress = recipe.sweep.size, study, progress
        self._fractions: dict[int, float] = {}
        self.names: dict[int, str] = {}

    def listen(self, number: int, event: Event) -> bool:
        """Note an event; returns whether the trial is to stop."""
        stop = False
        if event["kind"] == "epoch":
            stop = self._study.report(number, event["epoch"], event["watched"])
        elif event["kind"] == "progress":
            self._fractions[number] = event["share"]
            self._show(number, event["words"])
        else:
            self._fractions.pop(number, None)
            self._study.end(number, event["state"], event["value"], seconds=event["seconds"], says=event["says"])
            shown = f"{event['value']:.4f}" if event["value"] is not None else event["says"]
            self._show(number, f"{event['state']} {shown}")
        return stop

    def _show(self, number: int, words: str) -> None:
        ended = sum(row.state not in ("running", "interrupted") for row in self._study.rows())
        done = ended + sum(self._fractions.values())
        self._progress("sweep", done, self._size, f"trial {number} ({self.names[number]}): {words}")


def _fix_winner(recipe: Recipe, out: Path, study: Study, progress: Progress, jobs: int) -> None:  # noqa: ARG001
    """Write down the best configuration, before its test can be read."""
    if not (out / WINNER).exists():
        write_text(out / WINNER, recipe.at(study.best().settings).to_toml())


def _judge_winner(recipe: Recipe, out: Path, study: Study, progress: Progress, jobs: int) -> None:  # noqa: ARG001
    """Open the test, and judge the winner on it, trained on validation purchases as well if its recipe says so."""
    winner, run = read_recipe(out / WINNER), winner_run(recipe, out, study)
    _open_test(recipe, out, progress)
    if winner.training.refit:
        train(winner, out / DATASET, run, progress, resume=(run / "run.json").exists())
    judge(run, progress)


def _open_test(recipe: Recipe, out: Path, progress: Progress) -> None:
    """Put the whole dataset in the sealed one's place."""
    assert (out / WINNER).exists()
    sealed, whole = open_dataset(out / DATASET), out / WHOLE
    if not sealed.sealed:
        return
    made = prepare(recipe.at({}), whole, progress)
    if made.fingerprint != sealed.fingerprint:
        shutil.rmtree(whole)
        raise DatasetError(
            "the sources have changed since the sweep began: this is not the test that was sealed",
            where=str(out / DATASET),
            hint="bring the old sources back and --resume, or begin again in another folder",
        )
    with replacing(out / DATASET) as temporary:
        whole.rename(temporary)


def winner_run(recipe: Recipe, out: Path, study: Study) -> Path:
    """The folder of the run that is judged on the test: the trial's, unless it is trained again."""
    best = study.best()
    refit = recipe.at(best.settings).training.refit
    return out / "winner" if refit else out / TRIALS / str(best.number)


def _result(recipe: Recipe, out: Path, study: Study) -> SweepResult:
    """What was found, but for the seconds."""
    assert recipe.sweep is not None
    run, best = winner_run(recipe, out, study), study.best()
    evaluation = read_evaluation(run)
    assert evaluation is not None  # the winner was judged
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
