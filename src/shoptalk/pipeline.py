"""prepare -> train -> evaluate -> audit -> report: the whole experiment, in reading order."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shoptalk.data.prepare import prepare
from shoptalk.errors import RunError
from shoptalk.evaluation.verdict import decide
from shoptalk.progress import Progress
from shoptalk.recipe import Recipe, with_settings
from shoptalk.report.page import write_report
from shoptalk.results import RunResult
from shoptalk.runs import open_run
from shoptalk.stages.audit import audit_run
from shoptalk.stages.baselines import fit_baselines
from shoptalk.stages.evaluate import evaluate
from shoptalk.stages.opening import open_run_dataset
from shoptalk.stages.recommender import open_recommender
from shoptalk.stages.train import train


def run(recipe: Recipe, out: Path, progress: Progress, *, resume: bool = False) -> RunResult:
    """The whole experiment: a dataset, a model, its metrics beside simple methods, what speaks against them, a page.

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
    result = judge(out, progress)
    seconds = {"prepare": prepared, **result.evaluation.seconds}
    return replace(result, evaluation=replace(result.evaluation, seconds=seconds))


def judge(run: Path, progress: Progress, *, settings: Sequence[str] = (), seed: int | None = None) -> RunResult:
    """Evaluate a trained run, look for what speaks against its figures, and write its page.

    Parameters
    ----------
    settings, seed
        Other settings of the recipe's section evaluation, and another seed, than the run has.

    Raises
    ------
    ShoptalkError
        For a run that is not trained, or whose dataset has gone or holds no test cases.
    """
    begin = time.perf_counter()
    opened = open_run(run)
    opened = replace(opened, recipe=with_settings(opened.recipe, settings, seed, "evaluation"))
    dataset = open_run_dataset(opened)
    recommender = open_recommender(opened, dataset)
    ready = time.perf_counter()
    evaluation = evaluate(opened, dataset, recommender, fit_baselines(opened, dataset, progress), progress)
    judged = time.perf_counter()
    audit = audit_run(opened, dataset, progress)
    write_report(run)
    seconds = {**evaluation.seconds, "open": ready - begin, "audit": time.perf_counter() - judged}
    return RunResult(replace(evaluation, seconds=seconds), audit, decide(evaluation, audit))


def _refuse_old_run(out: Path) -> None:
    if (out / "run.json").exists():
        raise RunError(
            "this folder already holds a run",
            where=str(out),
            hint="go on with it by --resume, remove it, or choose another --out",
        )
