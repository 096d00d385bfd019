"""Wrong answers by what went wrong: how many, how many by chance, and which are typical."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from shoptalk.evaluation.bootstrap import RESAMPLES, Floats, Statistic, estimate_statistics
from shoptalk.evaluation.errors.answers import Answers, ItemStats
from shoptalk.evaluation.errors.kinds import KINDS, Found, Kind
from shoptalk.evaluation.id_map import Bools, Ints
from shoptalk.schema import Estimate

#: Examples of each group.
EXAMPLES = 3
#: The quantile of a group's strengths that its examples are near.
CLEAR = 0.9


@dataclass(frozen=True, slots=True)
class Group:
    """The wrong answers of one kind; an answer may be in several groups, or in none.

    Attributes
    ----------
    share
        Of the wrong answers, in [0, 1].
    reference
        The share to be expected if the errors had nothing to do with it: the mean chance over all answers.
    excess
        ``share - reference``; its interval tells whether there is more than chance.
    members
        (N,) which answers are in it.
    typical
        Numbers of typical answers, see ``typical``.
    why
        What it looks like in the answer with this number.
    """

    kind: Kind
    share: Estimate
    reference: Estimate
    excess: Estimate
    members: Bools
    typical: list[int]
    why: Callable[[int], str]


def group_errors(answers: Answers, item_stats: ItemStats, *, resamples: int = RESAMPLES, seed: int = 1) -> list[Group]:
    """Every kind of error that the data can tell about, in the order of ``KINDS``, with intervals over users."""
    found = {kind: one for kind in KINDS if (one := kind.find(answers, item_stats)) is not None}
    members = {kind: answers.wrong & one.flags for kind, one in found.items()}
    estimates = _estimates(answers, found, resamples, seed)
    times = np.stack(list(members.values())).sum(axis=0)
    return [
        Group(
            kind,
            share=estimates[f"share {kind.name}"],
            reference=estimates[f"reference {kind.name}"],
            excess=estimates[f"excess {kind.name}"],
            members=members[kind],
            typical=typical(members[kind], times, one.strength, answers.sure),
            why=one.why,
        )
        for kind, one in found.items()
    ]


def typical(members: Bools, times: Ints, strength: Floats, sure: Floats, count: int = EXAMPLES) -> list[int]:
    """Members that show this kind and little else, clearly and yet not as the extremes do.

    Those in the fewest groups (``times``) first; among them, those whose strength is nearest to the ninth decile of all
    members (the median one is often hard to see); among equals, those of which the model was surest.
    """
    where = np.flatnonzero(members)
    if not len(where):
        return []
    away = np.abs(strength[where] - np.quantile(strength[where], CLEAR))
    return [int(n) for n in where[np.lexsort((-sure[where], away, times[where]))][:count]]


def _estimates(answers: Answers, found: dict[Kind, Found], resamples: int, seed: int) -> dict[str, Estimate]:
    """Share, reference and excess of every kind from one set of resamples: all are ratios of sums over answers."""
    wrong = answers.wrong.astype(np.float64)
    columns, statistics = [wrong], dict[str, Statistic]()
    for kind, one in found.items():
        known = ~np.isnan(one.chance)
        start = len(columns)
        columns += [wrong * one.flags, np.where(known, one.chance, 0.0), known.astype(np.float64)]
        for name, statistic in (("share", _share), ("reference", _reference), ("excess", _excess)):
            statistics[f"{name} {kind.name}"] = partial(statistic, start)
    return estimate_statistics(
        np.stack(columns, axis=1), statistics, users=answers.users, resamples=resamples, seed=seed
    )


def _share(start: int, sums: Floats) -> Floats:
    return sums[:, start] / np.where(sums[:, 0] > 0, sums[:, 0], np.nan)


def _reference(start: int, sums: Floats) -> Floats:
    return sums[:, start + 1] / np.where(sums[:, start + 2] > 0, sums[:, start + 2], np.nan)


def _excess(start: int, sums: Floats) -> Floats:
    return _share(start, sums) - _reference(start, sums)
