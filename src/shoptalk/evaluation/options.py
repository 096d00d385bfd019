"""Metrics of choosing one of several options, and the bias for a position.

Equal scores are settled by an imagined fair draw: every metric takes its expected value under random tie-breaking. So a
scorer that calls all n options equal has accuracy 1/n, and not 1, as it would if ``argmax`` met a right option
that comes first. A case whose scores hold a NaN has no choice: it is wrong, and stays in every denominator.
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
class Judged:
    """N cases with up to P options each, scored and compared with the right answer."""

    answers: Ints  # (N,) place of the right option, from 0
    chosen: Floats  # (N, P) share of the choice: 1 for the best, 1/m for each of m tied, all 0 where there is a NaN
    correct: Floats  # (N,) share of the choice that the right option got
    reciprocal: Floats  # (N,) expected 1 / rank of the right option; 0 where there is a NaN
    confidence: Floats  # (N,) softmax share of the best option; 1/n where there is a NaN


def judge(scores: Sequence[NDArray[Any]], answers: Sequence[int]) -> Judged:
    """Compare every case's scores with its answer.

    Parameters
    ----------
    scores
        N arrays, each as long as its case has options; the higher, the likelier. Infinities are allowed.
    answers
        N places of the right option, from 0.

    Raises
    ------
    ValueError
        When the two differ in length, a case has no options, or an answer is not among its options.
    """
    if len(scores) != len(answers):
        raise ValueError(f"{len(scores)} cases have scores, but {len(answers)} have answers")
    right = np.asarray(answers, dtype=np.int64)
    sizes = np.array([len(row) for row in scores], dtype=np.int64)
    if np.any(sizes < 1) or np.any(right < 0) or np.any(right >= sizes):
        raise ValueError("every case needs options, and its answer among them")
    table, real = _padded(scores, sizes)
    broken = np.asarray(np.isnan(table).any(axis=1))
    table = np.where(broken[:, None], 0.0, table)
    # Padding counts as below everything; an option of -inf still ties with others of -inf.
    best = np.where(real, table, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    tied = real & (table == best)
    chosen = tied / tied.sum(axis=1, keepdims=True)
    cases = np.arange(len(right))
    mine = table[cases, right][:, None]
    above = (real & (table > mine)).sum(axis=1)
    equal = (real & (table == mine)).sum(axis=1)
    probabilities = _probabilities(table, real)
    chosen[broken] = 0
    reciprocal = np.where(broken, 0.0, _mean_reciprocal(above, equal))
    confidence = np.where(broken, 1 / np.maximum(sizes, 1), probabilities.max(axis=1, initial=0))
    return Judged(right, chosen, chosen[cases, right], reciprocal, confidence)


def correctness(scores: Sequence[NDArray[Any]], answers: Sequence[int]) -> Floats:
    """Per case 1 if the right option scores best, 0 if another does, 1/m if m tie and it is among them."""
    return judge(scores, answers).correct


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
        As in ``judge``.
    users
        Whose the N cases are.

    Returns
    -------
    dict
        ``accuracy``: mean of ``correctness``. ``precision``, ``recall``, ``f1``: unweighted means over the positions
        that occur (as an answer or a choice), as system A reports them; a position that is never chosen has
        precision 0. ``exact_match``: the text chosen is the text of the right option; options of one case never
        share a title, so it equals the accuracy. ``mrr``: mean of 1 / rank of the right option. ``ece``: see
        ``calibration``; meaningful where a softmax of the scores is meant as a probability.
    """
    judged = judge(scores, answers)
    count, width = judged.chosen.shape
    confusion = np.zeros((count, width, width))  # (N, answer, choice)
    confusion[np.arange(count), judged.answers] = judged.chosen
    asked = np.zeros((count, width))
    asked[np.arange(count), judged.answers] = 1
    means = np.stack([judged.correct, judged.reciprocal, np.ones(count)], axis=1)
    calibration = calibration_parts(judged.confidence, judged.correct)
    parts = np.concatenate([means, calibration, asked, confusion.reshape(count, width * width)], axis=1)
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
    """Per position: how often it is right, how often it is chosen, and the accuracy where it is right.

    ``answers`` and ``chosen`` are shares of all cases; the accuracy is NaN where the position never is right.
    """
    judged = judge(scores, answers)
    count, width = judged.chosen.shape
    asked = np.bincount(judged.answers, minlength=width)
    right = np.bincount(judged.answers, weights=judged.correct, minlength=width)
    chosen = judged.chosen.sum(axis=0)
    share = 1 / count if count else np.nan
    positions = tuple(
        PositionShare(
            position=index + 1,
            answers=float(asked[index] * share),
            chosen=float(chosen[index] * share),
            accuracy=float(right[index] / asked[index]) if asked[index] else math.nan,
        )
        for index in range(width)
    )
    distance = np.abs(chosen - asked).sum() - (count - chosen.sum())  # what was not chosen at all is not bias
    return PositionReport(
        positions=positions,
        bias=float(max(distance, 0) / 2 * share),
        no_choice=float((count - chosen.sum()) * share),
    )


def _macro(name: str, width: int, start: int, sums: Floats) -> Floats:
    """Macro precision, recall or F1 of R rows of sums; NaN in a row without cases."""
    asked = sums[:, start : start + width]  # (R, P)
    confusion = sums[:, start + width :].reshape(-1, width, width)
    hits = np.einsum("rpp->rp", confusion)
    chosen = confusion.sum(axis=1)
    below = {"precision": chosen, "recall": asked, "f1": (chosen + asked) / 2}[name]
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(below > 0, hits / below, 0.0)
        occurs = (chosen + asked) > 0
        return np.asarray((values * occurs).sum(axis=1) / occurs.sum(axis=1))


def _padded(scores: Sequence[NDArray[Any]], sizes: Ints) -> tuple[Floats, NDArray[np.bool_]]:
    """Rows of different lengths as ``(N, P)``, with which places are real."""
    real = np.asarray(np.arange(sizes.max(initial=0))[None, :] < sizes[:, None])
    table = np.zeros(real.shape)
    if len(scores):
        table[real] = np.concatenate([np.asarray(row, dtype=np.float64) for row in scores])
    return table, real


def _probabilities(table: Floats, real: NDArray[np.bool_]) -> Floats:
    """Softmax over each case's real options, 0 elsewhere."""
    if table.size == 0:
        return table
    probabilities = softmax(np.where(real, table, -np.inf)) * real
    return np.asarray(
        probabilities / probabilities.sum(axis=1, keepdims=True)
    )  # all at -inf: the padding must not share


def _mean_reciprocal(above: Ints, equal: Ints) -> Floats:
    """Mean of 1/rank over the tied places above + 1 .. above + equal, from sums of 1/1 .. 1/n."""
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, (above + equal).max(initial=0) + 1))])
    return np.asarray((harmonic[above + equal] - harmonic[above]) / equal)
