"""Groups of wrong answers by kind: share, reference expected by chance, and typical examples."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from shoptalk.evaluation.bootstrap import RESAMPLES, Floats, Statistic, estimate_statistics
from shoptalk.evaluation.errors.answers import Answers, ItemStats
from shoptalk.evaluation.errors.kinds import KINDS, Kind, KindResult
from shoptalk.evaluation.id_map import Bools, Ints
from shoptalk.schema import Estimate

#: Examples of each group.
EXAMPLES = 3
#: Typical examples are those with a strength near this quantile of the group.
STRENGTH_QUANTILE = 0.9


@dataclass(frozen=True, slots=True)
class Group:
    """The wrong answers of one kind; an answer may be in several groups, or in none.

    Attributes
    ----------
    share
        The share of the wrong answers that are of this kind, in [0, 1].
    reference
        The share expected if errors were independent of the kind: the mean ``chance`` over all answers.
    excess
        ``share - reference``; the share is significantly above chance if its interval lies above 0.
    members
        (N,) whether an answer is in the group.
    typical
        Indices of typical answers, see ``typical``.
    why
        Describes the error in the answer with this index.
    """

    kind: Kind
    share: Estimate
    reference: Estimate
    excess: Estimate
    members: Bools
    typical: list[int]
    describe: Callable[[int], str]


def group_errors(answers: Answers, item_stats: ItemStats, *, resamples: int = RESAMPLES, seed: int = 1) -> list[Group]:
    """A group for each kind of error that applies to the data, in the order of ``KINDS``; intervals are over users."""
    results = {kind: result for kind in KINDS if (result := kind.find(answers, item_stats)) is not None}
    members = {kind: answers.wrong & result.flags for kind, result in results.items()}
    estimates = _estimates(answers, results, resamples, seed)
    group_counts = np.stack(list(members.values())).sum(axis=0)
    return [
        Group(
            kind,
            share=estimates[f"share {kind.name}"],
            reference=estimates[f"reference {kind.name}"],
            excess=estimates[f"excess {kind.name}"],
            members=members[kind],
            typical=typical(members[kind], group_counts, result.strength, answers.confidence),
            describe=result.describe,
        )
        for kind, result in results.items()
    ]


def typical(
    members: Bools, group_counts: Ints, strength: Floats, confidence: Floats, count: int = EXAMPLES
) -> list[int]:
    """The indices of at most ``count`` typical members.

    Ordered by the number of groups that an answer is in (``group_counts``, fewest first), then by the distance of its
    strength to the ninth decile of all members, then by the confidence of the model (highest first).
    """
    indices = np.flatnonzero(members)
    if not len(indices):
        return []
    distance = np.abs(strength[indices] - np.quantile(strength[indices], STRENGTH_QUANTILE))
    return [int(n) for n in indices[np.lexsort((-confidence[indices], distance, group_counts[indices]))][:count]]


def _estimates(answers: Answers, results: dict[Kind, KindResult], resamples: int, seed: int) -> dict[str, Estimate]:
    """Share, reference and excess of every kind, all as ratios of sums over answers, from one set of resamples."""
    wrong = answers.wrong.astype(np.float64)
    columns, statistics = [wrong], dict[str, Statistic]()
    for kind, result in results.items():
        known = ~np.isnan(result.chance)
        start = len(columns)
        columns += [wrong * result.flags, np.where(known, result.chance, 0.0), known.astype(np.float64)]
        for name, statistic in (("share", _share), ("reference", _reference), ("excess", _excess)):
            statistics[f"{name} {kind.name}"] = partial(statistic, start)
    return estimate_statistics(
        np.stack(columns, axis=1), statistics, users=answers.users, resamples=resamples, seed=seed
    )


def _share(start: int, sums: Floats) -> Floats:
    """Wrong answers of the kind over wrong answers; NaN where there are none."""
    return sums[:, start] / np.where(sums[:, 0] > 0, sums[:, 0], np.nan)


def _reference(start: int, sums: Floats) -> Floats:
    """The mean chance over answers whose chance is known; NaN where there are none."""
    return sums[:, start + 1] / np.where(sums[:, start + 2] > 0, sums[:, start + 2], np.nan)


def _excess(start: int, sums: Floats) -> Floats:
    """Share minus reference."""
    return _share(start, sums) - _reference(start, sums)
