"""prepare -> train -> evaluate -> audit -> report: the whole experiment, in reading order."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shoptalk.data.prepare import prepare
from shoptalk.errors import RunError
from shoptalk.progress import Progress
from shoptalk.recipe import Recipe
from shoptalk.report.page import write_report
from shoptalk.stages.audit import audit_run
from shoptalk.stages.evaluate import evaluate
from shoptalk.stages.train import train


def run(recipe: Recipe, out: Path, progress: Progress, *, resume: bool = False) -> dict[str, Any]:
    """The whole experiment: a dataset, a model, its metrics beside simple methods, what speaks against them, a page.

    Returns
    -------
    dict
        What ``shoptalk run --json`` prints.

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
        prepare(recipe, dataset, progress=lambda words: progress("prepare", 0, 1, words))
    prepared = time.perf_counter() - begin
    train(recipe, dataset, out, progress, resume=resume and (out / "run.json").exists())
    report = judge(out, progress)
    return {**report, "seconds": {"prepare": prepared, **report["seconds"]}}


def judge(run: Path, progress: Progress, *, settings: Sequence[str] = (), seed: int | None = None) -> dict[str, Any]:
    """Evaluate a trained run, look for what speaks against its figures, and write its page.

    Parameters
    ----------
    settings, seed
        See `stages.evaluate.evaluate`.

    Returns
    -------
    dict
        What ``shoptalk evaluate --json`` prints.
    """
    report = evaluate(run, progress, settings=settings, seed=seed)
    begin = time.perf_counter()
    found = audit_run(run, progress)
    write_report(run)
    return {**report, **found, "seconds": {**report["seconds"], "audit": time.perf_counter() - begin}}


def _refuse_old_run(out: Path) -> None:
    if (out / "run.json").exists():
        raise RunError(
            "this folder already holds a run",
            where=str(out),
            hint="go on with it by --resume, remove it, or choose another --out",
        )
