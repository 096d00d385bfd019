"""The whole experiment in reading order: prepare -> train -> evaluate -> audit -> report."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.errors import RunError
from shoptalk.progress import Progress
from shoptalk.recipe import Recipe, with_settings
from shoptalk.report.curves import draw_losses
from shoptalk.results import RunResult
from shoptalk.runs import open_run
from shoptalk.stages.judge import judge
from shoptalk.stages.train import train as fine_tune
from shoptalk.stages.trained_run import TrainedRun, open_trained_run

#: In a run's folder: the training and validation loss of each epoch.
LOSSES = "loss.png"


def run(recipe: Recipe, out: Path, progress: Progress, *, resume: bool = False) -> tuple[TrainedRun, RunResult]:
    """The whole experiment: a dataset, a model, its metrics beside baselines, an audit, a report.

    Raises
    ------
    ShoptalkError
        For anything that a user can mend.
    """
    begin = time.perf_counter()
    folder = out / "dataset"
    if not resume:
        _refuse_old_run(out)
    if not (resume and (folder / "dataset.json").exists()):
        prepare(recipe, folder, progress)
    dataset = open_dataset(folder)
    seconds = {"prepare": time.perf_counter() - begin}
    trained = train(recipe, dataset, out, progress, resume=resume and (out / "run.json").exists())
    return trained, _with_seconds(judge(trained, progress), seconds)


def train(recipe: Recipe, dataset: Dataset, out: Path, progress: Progress, *, resume: bool = False) -> TrainedRun:
    """Train (see `shoptalk.stages.train.train`), and draw the losses of the epochs into ``loss.png``."""
    trained = fine_tune(recipe, dataset, out, progress, resume=resume)
    if losses := trained.run.info["training"]["losses"]:
        draw_losses(losses, out / LOSSES)
    return trained


def evaluate(folder: Path, progress: Progress, *, settings: Sequence[str] = (), seed: int | None = None) -> RunResult:
    """Evaluate a run that is on disk, audit it, and write its report.

    Parameters
    ----------
    settings, seed
        ``key=value`` of the recipe's section ``[evaluation]``, and a seed, in place of the run's own.

    Raises
    ------
    ShoptalkError
        For a run that is not trained, or whose dataset is missing or holds no test cases.
    """
    begin = time.perf_counter()
    opened = open_run(folder)
    opened = replace(opened, recipe=with_settings(opened.recipe, settings, seed, "evaluation"))
    trained = open_trained_run(opened)
    seconds = {"open": time.perf_counter() - begin}
    return _with_seconds(judge(trained, progress), seconds)


def _with_seconds(result: RunResult, seconds: dict[str, float]) -> RunResult:
    evaluation = result.evaluation
    return replace(result, evaluation=replace(evaluation, seconds={**seconds, **evaluation.seconds}))


def _refuse_old_run(out: Path) -> None:
    if (out / "run.json").exists():
        raise RunError(
            "this folder already holds a run",
            where=str(out),
            hint="resume it with --resume, remove it, or choose another --out",
        )
