"""prepare -> train -> evaluate -> audit -> report: the whole experiment, in reading order."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from shoptalk.data.prepare import prepare
from shoptalk.errors import RunError
from shoptalk.progress import Progress
from shoptalk.recipe import Recipe
from shoptalk.report.curves import draw_losses
from shoptalk.results import RunResult
from shoptalk.stages.judge import judge
from shoptalk.stages.train import train as fine_tune

#: In a run's folder: the training and validation loss of each epoch.
LOSSES = "loss.png"


def run(recipe: Recipe, out: Path, progress: Progress, *, resume: bool = False) -> RunResult:
    """The whole experiment: a dataset, a model, its metrics beside baselines, an audit, a report.

    Raises
    ------
    ShoptalkError
        For anything that a user can mend.
    """
    begin = time.perf_counter()
    dataset = out / "dataset"
    if not resume:
        _refuse_old_run(out)
    if not (resume and (dataset / "dataset.json").exists()):
        prepare(recipe, dataset, progress)
    prepared = time.perf_counter() - begin
    train(recipe, dataset, out, progress, resume=resume and (out / "run.json").exists())
    result = judge(out, progress)
    seconds = {"prepare": prepared, **result.evaluation.seconds}
    return replace(result, evaluation=replace(result.evaluation, seconds=seconds))


def train(recipe: Recipe, dataset: Path, out: Path, progress: Progress, *, resume: bool = False) -> dict[str, Any]:
    """Train (see `shoptalk.stages.train.train`), and draw the losses of the epochs into ``loss.png``."""
    report = fine_tune(recipe, dataset, out, progress, resume=resume)
    if report["losses"]:
        draw_losses(report["losses"], out / LOSSES)
    return report


def _refuse_old_run(out: Path) -> None:
    if (out / "run.json").exists():
        raise RunError(
            "this folder already holds a run",
            where=str(out),
            hint="go on with it by --resume, remove it, or choose another --out",
        )
