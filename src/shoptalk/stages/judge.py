"""Evaluate a trained run, audit it and write its report."""

import time
from collections.abc import Mapping
from dataclasses import replace

from shoptalk.evaluation.verdict import decide
from shoptalk.progress import Progress
from shoptalk.report.page import write_report
from shoptalk.results import RunResult
from shoptalk.schema import Recommender
from shoptalk.stages.audit import audit_run
from shoptalk.stages.baselines import fit_baselines
from shoptalk.stages.evaluate import evaluate
from shoptalk.stages.trained_run import TrainedRun


def judge(trained: TrainedRun, progress: Progress, *, others: Mapping[str, Recommender] | None = None) -> RunResult:
    """Evaluate a trained run beside its baselines, audit the evaluation, and write the report.

    Parameters
    ----------
    others
        By name, what else is judged as the baselines are.

    Raises
    ------
    ShoptalkError
        If the dataset holds no test cases, or the run's folder is damaged.
    """
    baselines = fit_baselines(trained.run, trained.dataset, progress)
    if others:
        baselines = replace(baselines, fitted={**baselines.fitted, **others})
    evaluation = evaluate(trained, baselines, progress)
    begin = time.perf_counter()
    audit = audit_run(trained.run, trained.dataset, progress)
    write_report(trained.run.folder)
    seconds = {**evaluation.seconds, "audit": time.perf_counter() - begin}
    return RunResult(replace(evaluation, seconds=seconds), audit, decide(evaluation, audit))
