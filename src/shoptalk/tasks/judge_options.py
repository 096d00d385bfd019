"""Judging choices among options: the recommender with the users' own and with other users' histories, and baselines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shoptalk.evaluation.bootstrap import estimate
from shoptalk.evaluation.history_permutation import permutation_partners, personalisation_gap
from shoptalk.evaluation.options import correctness, option_metrics, position_report
from shoptalk.evaluation.paired import compare, holm
from shoptalk.results import Difference, EvaluationResult, Metrics
from shoptalk.schema import Candidates, Estimate, EvalExample, Recommender
from shoptalk.tasks.evaluation import Columns, Evaluation, Judged

if TYPE_CHECKING:
    from shoptalk.progress import Notify

Scores = list[NDArray[np.float64]]


def judge_options(evaluation: Evaluation) -> Judged:
    """Accuracy and what goes with it, on the frozen candidates of the test cases."""
    begin = time.perf_counter()
    cases, users, bootstrap = evaluation.cases, evaluation.users, evaluation.bootstrap
    answers = [_answer(case) for case in cases]
    own = _model_scores(evaluation, None)
    cut = getattr(evaluation.recommender, "cut", 0)  # only what shows histories as text can run out of room for them
    partners = permutation_partners(
        users,
        [case.history.items for case in cases],
        [_candidates(case).items for case in cases],
        seed=bootstrap["seed"],
    )
    swapped = _model_scores(evaluation, partners)
    right, swapped_right = correctness(own, answers), correctness(swapped, answers)
    judged = option_metrics(own, answers, users, **bootstrap)
    metrics: dict[str, Estimate] = {
        "accuracy": judged.pop("accuracy"),
        "personalisation_gap": personalisation_gap(right, swapped_right, users, **bootstrap),
        "swapped_accuracy": estimate(swapped_right, users=users, **bootstrap),
        **judged,
    }
    tied = np.array([case.tied for case in cases])
    for name, chosen in (("accuracy_tied", tied), ("accuracy_untied", ~tied)):
        if chosen.any():
            metrics[name] = estimate(np.where(chosen, right, np.nan), users=users, **bootstrap)
    baselines, versus = _baselines(evaluation, answers, right)
    result = EvaluationResult(
        metrics=metrics,
        baselines=baselines,
        versus=versus,
        positions=position_report(own, answers),
        cut=cut / len(cases),
        seconds={"options": time.perf_counter() - begin},
    )
    return Judged(result, _columns(cases, own, swapped))


def _baselines(
    evaluation: Evaluation, answers: Sequence[int], right: NDArray[np.float64]
) -> tuple[dict[str, Metrics], dict[str, dict[str, Difference]]]:
    """Each baseline's figures, and the paired difference of the recommender's accuracy to its own."""
    users, bootstrap = evaluation.users, evaluation.bootstrap
    metrics: dict[str, Metrics] = {}
    differences: dict[str, Difference] = {}
    for number, (name, baseline) in enumerate(evaluation.baselines.items()):
        evaluation.progress("baselines", number, len(evaluation.baselines), name)
        scores = _score(baseline, evaluation.cases)
        metrics[name] = option_metrics(scores, answers, users, **bootstrap)
        differences[name] = compare(right, correctness(scores, answers), users=users, **bootstrap)
    evaluation.progress("baselines", 1, 1, "done")
    corrected = zip(differences.items(), holm([one.p for one in differences.values()]), strict=True)
    return metrics, {name: {"accuracy": replace(one, p_holm=p)} for (name, one), p in corrected}


def _model_scores(evaluation: Evaluation, partners: NDArray[np.int64] | None) -> Scores:
    words = "own histories" if partners is None else "swapped histories"

    def notify(done: int, of: int) -> None:
        evaluation.progress("options", done, of, words)

    return _score(evaluation.recommender, evaluation.cases, partners, notify)


def _score(
    recommender: Recommender,
    cases: Sequence[EvalExample],
    partners: NDArray[np.int64] | None = None,
    notify: Notify | None = None,
) -> Scores:
    """Scores of all cases; with ``partners`` each case gets another's history."""
    histories = [case.history for case in cases]
    if partners is not None:
        histories = [histories[int(partner)] for partner in partners]
    candidates = [_candidates(case) for case in cases]
    return recommender.score(histories, candidates, **({} if notify is None else {"notify": notify}))


def _columns(cases: Sequence[EvalExample], own: Scores, swapped: Scores) -> Columns:
    """One value a case: what it was and what the recommender thought of it."""
    return {
        "user_id": [case.history.user_id for case in cases],
        "history": [list(case.history.items) for case in cases],
        "options": [list(_candidates(case).items) for case in cases],
        "answer": pa.array([_answer(case) for case in cases], pa.int8()),
        "scores": [row.tolist() for row in own],
        "swapped_scores": [row.tolist() for row in swapped],
        "tied": [case.tied for case in cases],
    }


def _answer(case: EvalExample) -> int:
    assert case.answer is not None  # the dataset has candidates for every case
    return case.answer


def _candidates(case: EvalExample) -> Candidates:
    assert case.candidates is not None
    return case.candidates
