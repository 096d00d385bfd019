"""Multiple-choice metrics, and the bias for a position.

With equal scores every metric has its expected value under random tie-breaking. So a scorer with equal scores for all n
options has accuracy 1/n; with ``argmax`` it would be 1 if the right option came first. A case with a NaN among its
scores has no choice: it counts as wrong, and stays in every denominator.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoptalk.evaluation.bootstrap import RESAMPLES, Floats, Statistic, estimate_statistics
from shoptalk.evaluation.calibration import calibration_parts, error_of_sums, softmax
from shoptalk.results import PositionReport, PositionShare
from shoptalk.schema import Estimate

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class OptionOutcomes:
    """N cases with up to P options each: their scores compared with the right answers."""

    answers: Ints  # (N,) position of the right option, from 0
    chosen: Floats  # (N, P) choice: 1 for the best, 1/m for each of m tied, all 0 where there is a NaN
    correct: Floats  # (N,) the choice of the right option
    reciprocal: Floats  # (N,) expected 1 / rank of the right option; 0 where there is a NaN
    confidence: Floats  # (N,) softmax probability of the best option; 1/n where there is a NaN


def option_outcomes(scores: Sequence[NDArray[Any]], answers: Sequence[int]) -> OptionOutcomes:
    """Compare the scores of every case with its answer.

    Parameters
    ----------
    scores
        N arrays with one score per option; higher is better. Infinities are allowed.
    answers
        N positions of the right option, from 0.

    Raises
    ------
    ValueError
        If the two differ in length, a case has no options, or an answer is not among its options.
    """
    if len(scores) != len(answers):
        raise ValueError(f"{len(scores)} cases have scores, but {len(answers)} have answers")
    right = np.asarray(answers, dtype=np.int64)
    sizes = np.array([len(row) for row in scores], dtype=np.int64)
    if np.any(sizes < 1) or np.any(right < 0) or np.any(right >= sizes):
        raise ValueError("every case needs options, and its answer must be one of them")
    table, is_option = _padded(scores, sizes)
    has_nan = np.asarray(np.isnan(table).any(axis=1))
    table = np.where(has_nan[:, None], 0.0, table)
    # Padding is below all options; options with -inf tie with each other.
    best = np.where(is_option, table, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    tied = is_option & (table == best)
    chosen = tied / tied.sum(axis=1, keepdims=True)
    cases = np.arange(len(right))
    right_scores = table[cases, right][:, None]
    higher = (is_option & (table > right_scores)).sum(axis=1)
    equal = (is_option & (table == right_scores)).sum(axis=1)
    probabilities = _probabilities(table, is_option)
    chosen[has_nan] = 0
    reciprocal = np.where(has_nan, 0.0, _mean_reciprocal(higher, equal))
    confidence = np.where(has_nan, 1 / np.maximum(sizes, 1), probabilities.max(axis=1, initial=0))
    return OptionOutcomes(right, chosen, chosen[cases, right], reciprocal, confidence)


def correctness(scores: Sequence[NDArray[Any]], answers: Sequence[int]) -> Floats:
    """Per case 1 if the right option has the highest score, 1/m if m options have it and it is one of them, else 0."""
    return option_outcomes(scores, answers).correct


def option_metrics(
    scores: Sequence[NDArray[Any]],
    answers: Sequence[int],
    users: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> dict[str, Estimate]:
    """Accuracy, macro precision, recall and F1, exact match, MRR and calibration error, with intervals over users.

    Parameters
    ----------
    scores, answers
        As in ``option_outcomes``.
    users
        The user of each of the N cases.

    Returns
    -------
    dict
        ``accuracy``: mean of ``correctness``. ``precision``, ``recall``, ``f1``: unweighted means over the positions
        that occur (as an answer or a choice), as system A reports them; a position that is never chosen has
        precision 0. ``exact_match``: the chosen text is that of the right option; options of one case have different
        titles, so it equals the accuracy. ``mrr``: mean of 1 / rank of the right option. ``ece``: see
        ``calibration``; meaningful if the softmax of the scores is a probability.
    """
    outcomes = option_outcomes(scores, answers)
    count, width = outcomes.chosen.shape
    confusion = np.zeros((count, width, width))  # (N, answer, choice)
    confusion[np.arange(count), outcomes.answers] = outcomes.chosen
    is_answer = np.zeros((count, width))
    is_answer[np.arange(count), outcomes.answers] = 1
    means = np.stack([outcomes.correct, outcomes.reciprocal, np.ones(count)], axis=1)
    calibration = calibration_parts(outcomes.confidence, outcomes.correct)
    parts = np.concatenate([means, calibration, is_answer, confusion.reshape(count, width * width)], axis=1)
    start = means.shape[1] + calibration.shape[1]
    statistics: dict[str, Statistic] = {
        "accuracy": lambda sums: sums[:, 0] / sums[:, 2],
        **{name: partial(_macro, name, width, start) for name in ("precision", "recall", "f1")},
        "exact_match": lambda sums: sums[:, 0] / sums[:, 2],
        "mrr": lambda sums: sums[:, 1] / sums[:, 2],
        "ece": lambda sums: error_of_sums(sums[:, 3:start]),
    }
    return estimate_statistics(parts, statistics, users=users, resamples=resamples, seed=seed)


def position_report(scores: Sequence[NDArray[Any]], answers: Sequence[int]) -> PositionReport:
    """Per position: how often it is right, how often it is chosen, and the accuracy of the cases where it is right.

    ``answers`` and ``chosen`` are shares of all cases; the accuracy is NaN for a position that is never right.
    """
    outcomes = option_outcomes(scores, answers)
    count, width = outcomes.chosen.shape
    answer_counts = np.bincount(outcomes.answers, minlength=width)
    correct = np.bincount(outcomes.answers, weights=outcomes.correct, minlength=width)
    choice_counts = outcomes.chosen.sum(axis=0)
    weight = 1 / count if count else np.nan
    positions = tuple(
        PositionShare(
            position=index + 1,
            answers=float(answer_counts[index] * weight),
            chosen=float(choice_counts[index] * weight),
            accuracy=float(correct[index] / answer_counts[index]) if answer_counts[index] else math.nan,
        )
        for index in range(width)
    )
    difference = np.abs(choice_counts - answer_counts).sum() - (
        count - choice_counts.sum()
    )  # cases without a choice are no bias
    return PositionReport(
        positions=positions,
        bias=float(max(difference, 0) / 2 * weight),
        no_choice=float((count - choice_counts.sum()) * weight),
    )


def _macro(name: str, width: int, start: int, sums: Floats) -> Floats:
    """Macro precision, recall or F1 of R rows of sums; NaN for a row without cases."""
    answers = sums[:, start : start + width]  # (R, P)
    confusion = sums[:, start + width :].reshape(-1, width, width)
    hits = np.einsum("rpp->rp", confusion)
    chosen = confusion.sum(axis=1)
    denominator = {"precision": chosen, "recall": answers, "f1": (chosen + answers) / 2}[name]
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(denominator > 0, hits / denominator, 0.0)
        occurs = (chosen + answers) > 0
        return np.asarray((values * occurs).sum(axis=1) / occurs.sum(axis=1))


def _padded(scores: Sequence[NDArray[Any]], sizes: Ints) -> tuple[Floats, NDArray[np.bool_]]:
    """Rows of different lengths as ``(N, P)`` scores, and ``(N, P)`` flags of the options."""
    is_option = np.asarray(np.arange(sizes.max(initial=0))[None, :] < sizes[:, None])
    table = np.zeros(is_option.shape)
    if len(scores):
        table[is_option] = np.concatenate([np.asarray(row, dtype=np.float64) for row in scores])
    return table, is_option


def _probabilities(table: Floats, is_option: NDArray[np.bool_]) -> Floats:
    """Softmax over the options of each case, 0 elsewhere."""
    if table.size == 0:
        return table
    probabilities = softmax(np.where(is_option, table, -np.inf)) * is_option
    # If all options have -inf, the padding must not have a share.
    return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True))


def _mean_reciprocal(higher: Ints, equal: Ints) -> Floats:
    """Mean of 1/rank over the tied ranks higher + 1 .. higher + equal, from sums of 1/1 .. 1/n."""
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, (higher + equal).max(initial=0) + 1))])
    return np.asarray((harmonic[higher + equal] - harmonic[higher]) / equal)
