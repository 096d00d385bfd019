"""Evaluation of choices among options: the recommender with own and with other users' histories, and the baselines."""

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
from shoptalk.tasks.evaluation import Columns, Evaluation, TaskResult

if TYPE_CHECKING:
    from shoptalk.progress import Notify

Scores = list[NDArray[np.float64]]


def evaluate_options(evaluation: Evaluation) -> TaskResult:
    """The accuracy and related metrics on the frozen candidates of the test cases."""
    begin = time.perf_counter()
    cases, users, bootstrap = evaluation.cases, evaluation.users, evaluation.bootstrap
    answers = [_answer(case) for case in cases]
    scores = _model_scores(evaluation, None)
    cut = getattr(evaluation.recommender, "cut", 0)  # recommenders without prompts never shorten a history
    partners = permutation_partners(
        users,
        [case.history.items for case in cases],
        [_candidates(case).items for case in cases],
        seed=bootstrap["seed"],
    )
    swapped_scores = _model_scores(evaluation, partners)
    correct, swapped_correct = correctness(scores, answers), correctness(swapped_scores, answers)
    by_scores = option_metrics(scores, answers, users, **bootstrap)
    metrics: dict[str, Estimate] = {
        "accuracy": by_scores.pop("accuracy"),
        "personalisation_gap": personalisation_gap(correct, swapped_correct, users, **bootstrap),
        "swapped_accuracy": estimate(swapped_correct, users=users, **bootstrap),
        **by_scores,
    }
    tied = np.array([case.tied for case in cases])
    for name, subset in (("accuracy_tied", tied), ("accuracy_untied", ~tied)):
        if subset.any():
            metrics[name] = estimate(np.where(subset, correct, np.nan), users=users, **bootstrap)
    baselines, versus = _baselines(evaluation, answers, correct)
    result = EvaluationResult(
        metrics=metrics,
        baselines=baselines,
        versus=versus,
        positions=position_report(scores, answers),
        cut=cut / len(cases),
        seconds={"options": time.perf_counter() - begin},
    )
    return TaskResult(result, _columns(cases, scores, swapped_scores))


def _baselines(
    evaluation: Evaluation, answers: Sequence[int], correct: NDArray[np.float64]
) -> tuple[dict[str, Metrics], dict[str, dict[str, Difference]]]:
    """The metrics of each baseline, and the paired difference of the recommender's accuracy to that of the baseline.

    ``correct`` (N,) is the correctness of the recommender.
    """
    users, bootstrap = evaluation.users, evaluation.bootstrap
    metrics: dict[str, Metrics] = {}
    differences: dict[str, Difference] = {}
    for number, (name, baseline) in enumerate(evaluation.baselines.items()):
        evaluation.progress("baselines", number, len(evaluation.baselines), name)
        scores = _score(baseline, evaluation.cases)
        metrics[name] = option_metrics(scores, answers, users, **bootstrap)
        differences[name] = compare(correct, correctness(scores, answers), users=users, **bootstrap)
    evaluation.progress("baselines", 1, 1, "done")
    p_values = holm([difference.p for difference in differences.values()])
    corrected = {
        name: {"accuracy": replace(difference, p_holm=p)}
        for (name, difference), p in zip(differences.items(), p_values, strict=True)
    }
    return metrics, corrected


def _model_scores(evaluation: Evaluation, partners: NDArray[np.int64] | None) -> Scores:
    """The scores of the recommender, with the histories of ``partners`` if given."""
    message = "own histories" if partners is None else "swapped histories"

    def notify(done: int, of: int) -> None:
        evaluation.progress("options", done, of, message)

    return _score(evaluation.recommender, evaluation.cases, partners, notify)


def _score(
    recommender: Recommender,
    cases: Sequence[EvalExample],
    partners: NDArray[np.int64] | None = None,
    notify: Notify | None = None,
) -> Scores:
    """Scores of all cases; with ``partners``, each case has the history of the case with that index."""
    histories = [case.history for case in cases]
    if partners is not None:
        histories = [histories[int(partner)] for partner in partners]
    candidates = [_candidates(case) for case in cases]
    return recommender.score(histories, candidates, **({} if notify is None else {"notify": notify}))


def _columns(cases: Sequence[EvalExample], scores: Scores, swapped_scores: Scores) -> Columns:
    """One value a case: the case and its scores."""
    return {
        "user_id": [case.history.user_id for case in cases],
        "history": [list(case.history.items) for case in cases],
        "options": [list(_candidates(case).items) for case in cases],
        "answer": pa.array([_answer(case) for case in cases], pa.int8()),
        "scores": [row.tolist() for row in scores],
        "swapped_scores": [row.tolist() for row in swapped_scores],
        "tied": [case.tied for case in cases],
    }


def _answer(case: EvalExample) -> int:
    assert case.answer is not None  # the dataset has candidates for every case
    return case.answer


def _candidates(case: EvalExample) -> Candidates:
    assert case.candidates is not None
    return case.candidates
