"""Judging a trained run: evaluate, audit, report; the dataset and the model are opened once."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shoptalk.evaluation.verdict import decide
from shoptalk.progress import Progress
from shoptalk.recipe import with_settings
from shoptalk.report.page import write_report
from shoptalk.results import RunResult
from shoptalk.runs import open_run
from shoptalk.stages.audit import audit_run
from shoptalk.stages.baselines import fit_baselines
from shoptalk.stages.evaluate import evaluate
from shoptalk.stages.load_dataset import open_run_dataset
from shoptalk.stages.recommender import open_recommender


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
