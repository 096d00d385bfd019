"""The answers of a model as arrays, in the same form for options and for rankings."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoptalk.constants import DEFAULT_K
from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.catalogue import find
from shoptalk.evaluation.id_map import PAD_ID, Bools, IdMap, Ints, UserItemSets
from shoptalk.evaluation.options import option_outcomes

#: Number of other users' targets that serve as the wrong options of a ranking.
DRAWS = 10


@dataclass(frozen=True, slots=True)
class ItemStats:
    """Titles, number of training purchases (I,) and categories of the I items; an unknown category is empty."""

    titles: Sequence[str]
    purchases: Ints
    categories: Sequence[str]


@dataclass(frozen=True, slots=True)
class OptionPositions:
    """(N,) positions from 0 of the chosen (``PAD_ID``: none) and of the right option, and the number of options."""

    chosen: Ints
    right: Ints
    count: Ints


@dataclass(frozen=True, slots=True)
class Answers:
    """N answers; items are indices into the catalogue, ``PAD_ID`` where there is none.

    Attributes
    ----------
    users, seen_items
        The user of each answer, and the items of each history.
    right, chosen
        (N,) the target (the first of several), and the item with the highest score.
    wrong
        (N,) whether the answer counts as wrong.
    others
        (N, D) the items from which a wrong choice is drawn by chance: the wrong options, or for rankings (where the
        whole catalogue is an option) targets of other users.
    sure
        (N,) the softmax probability of the best option; for rankings, the score of the first item minus that of the
        tenth.
    positions
        None for rankings.
    """

    users: Sequence[str]
    seen_items: UserItemSets
    right: Ints
    chosen: Ints
    wrong: Bools
    alternatives: Ints
    confidence: Floats
    positions: OptionPositions | None = None


def option_answers(
    users: Sequence[str],
    histories: Sequence[Collection[str]],
    options: Sequence[Sequence[str]],
    answers: Sequence[int],
    scores: Sequence[NDArray[Any]],
    codes: IdMap,
) -> Answers:
    """Answers to multiple-choice cases; wrong if the right option does not have the highest score.

    Of options with equal highest scores the first counts as chosen. Where a score is NaN, no option is chosen and the
    answer is wrong.
    """
    outcomes = option_outcomes(scores, answers)
    sizes = np.array([len(case_options) for case_options in options], dtype=np.int64)
    table = _in_catalogue(codes.table(options, int(sizes.max(initial=1))), codes)
    rows, width = np.arange(len(table)), table.shape[1]
    chosen_position = np.where(outcomes.chosen.any(axis=1), outcomes.chosen.argmax(axis=1), PAD_ID)
    wrong_options = np.arange(width)[None, :] != outcomes.answers[:, None]
    return Answers(
        users=users,
        seen_items=_seen_items(histories, codes),
        right=table[rows, outcomes.answers],
        chosen=np.where(chosen_position == PAD_ID, PAD_ID, table[rows, chosen_position]),
        wrong=outcomes.correct == 0,
        alternatives=table[wrong_options].reshape(len(table), width - 1),
        confidence=outcomes.confidence,
        positions=OptionPositions(chosen_position, outcomes.answers, sizes),
    )


def ranking_answers(
    users: Sequence[str],
    histories: Sequence[Collection[str]],
    targets: Sequence[Sequence[str]],
    ranked: Sequence[Sequence[str]],
    scores: Sequence[Sequence[float]],
    codes: IdMap,
    *,
    seed: int = 1,
) -> Answers:
    """Answers from ranked lists: the first item is the chosen one; wrong if no target is among the first ten.

    Cases without truth are not wrong. The alternatives are targets of other users, drawn for each case, without items
    of its own history and targets.
    """
    seen_items, right = _seen_items(histories, codes), codes.pairs(targets)
    table = _in_catalogue(codes.table(ranked, DEFAULT_K), codes)
    first_target = _in_catalogue(codes.table(targets, 1), codes)[:, 0]
    hits = find(table, right)
    drawn = (
        np.random.default_rng(seed).choice(first_target, (len(first_target), DRAWS))
        if len(first_target)
        else np.empty((0, DRAWS), int)
    )
    drawn[seen_items.contains(drawn) | right.contains(drawn)] = PAD_ID
    leads = [
        float(row[0] - row[: len(items)][:DEFAULT_K][-1])
        for row, items in zip(scores, ranked, strict=True)
        if len(items)
    ]
    confidence = np.zeros(len(table))
    confidence[[case for case, items in enumerate(ranked) if len(items)]] = leads
    return Answers(
        users=users,
        seen_items=seen_items,
        right=first_target,
        chosen=table[:, 0],
        wrong=(hits.recall(DEFAULT_K) == 0),
        alternatives=drawn,
        confidence=confidence,
    )


def _seen_items(histories: Sequence[Collection[str]], codes: IdMap) -> UserItemSets:
    """The items of each history that are in the catalogue."""
    return codes.pairs(histories).select(np.arange(len(codes)) < codes.size)


def _in_catalogue(table: Ints, codes: IdMap) -> Ints:
    """The table with ``PAD_ID`` in place of items outside the catalogue."""
    return np.where(table < codes.size, table, PAD_ID)


def lookup(values: NDArray[Any], items: Ints) -> NDArray[Any]:
    """``values[items]`` for values (I,) of the items, with 0 for ``PAD_ID``."""
    return np.append(values, values.dtype.type(0))[items]
