"""The answers of a model in numbers, from options or from rankings, so that every kind of error sees the same table."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoptalk.constants import DEFAULT_K
from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.catalogue import find
from shoptalk.evaluation.id_map import PAD_ID, Bools, IdMap, Ints, UserItemSets
from shoptalk.evaluation.options import judge

#: Other users' next purchases that stand for each ranking's wrong options.
DRAWS = 10


@dataclass(frozen=True, slots=True)
class ItemStats:
    """What is known of the I items of the catalogue.

    ``purchases`` are those of training, (I,); a category is empty where none is known.
    """

    titles: Sequence[str]
    purchases: Ints
    categories: Sequence[str]


@dataclass(frozen=True, slots=True)
class OptionPositions:
    """Where options stood, from 0: the chosen one (``PAD_ID`` without a choice), the right one, and how many, (N,)."""

    chosen: Ints
    right: Ints
    count: Ints


@dataclass(frozen=True, slots=True)
class Answers:
    """N answers; items are numbers in the catalogue's order, ``PAD_ID`` where there is none.

    Attributes
    ----------
    users, seen_items
        Whose they are, and the items of the histories.
    right, chosen
        (N,) the item bought next (the first of several), and the one that the model put first.
    wrong
        (N,) whether the answer counts as wrong.
    others
        (N, D) what a choice that goes wrong without a cause is drawn from: the wrong options; for rankings, which have
        the whole catalogue as options, what other users bought next.
    sure
        (N,) how sure the model was: the share of the best option, or the lead of the first over the tenth.
    positions
        None for rankings.
    """

    users: Sequence[str]
    seen_items: UserItemSets
    right: Ints
    chosen: Ints
    wrong: Bools
    others: Ints
    sure: Floats
    positions: OptionPositions | None = None


def option_answers(
    users: Sequence[str],
    histories: Sequence[Collection[str]],
    options: Sequence[Sequence[str]],
    answers: Sequence[int],
    scores: Sequence[NDArray[Any]],
    codes: IdMap,
) -> Answers:
    """Answers chosen among options; wrong where the right one is not among the best.

    Of several equally good options the first counts as chosen; where a score is NaN nothing is chosen, and the answer
    is wrong.
    """
    judged = judge(scores, answers)
    sizes = np.array([len(one) for one in options], dtype=np.int64)
    table = _known(codes.table(options, int(sizes.max(initial=1))), codes)
    rows, width = np.arange(len(table)), table.shape[1]
    index = np.where(judged.chosen.any(axis=1), judged.chosen.argmax(axis=1), PAD_ID)
    wrong_options = np.arange(width)[None, :] != judged.answers[:, None]
    return Answers(
        users=users,
        seen_items=_seen_items(histories, codes),
        right=table[rows, judged.answers],
        chosen=np.where(index == PAD_ID, PAD_ID, table[rows, index]),
        wrong=judged.correct == 0,
        others=table[wrong_options].reshape(len(table), width - 1),
        sure=judged.confidence,
        positions=OptionPositions(index, judged.answers, sizes),
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
    """Answers out of the whole catalogue: the first of a list is chosen; wrong without truth among the first ten.

    Cases without truth are not wrong. What other users bought next is drawn anew for each case, never what it holds or
    has as truth itself.
    """
    seen_items, right = _seen_items(histories, codes), codes.pairs(targets)
    table = _known(codes.table(ranked, DEFAULT_K), codes)
    first = _known(codes.table(targets, 1), codes)[:, 0]
    found = find(table, right)
    drawn = np.random.default_rng(seed).choice(first, (len(first), DRAWS)) if len(first) else np.empty((0, DRAWS), int)
    drawn[seen_items.holds(drawn) | right.holds(drawn)] = PAD_ID
    lead = [
        float(own[0] - own[: len(one)][:DEFAULT_K][-1]) for own, one in zip(scores, ranked, strict=True) if len(one)
    ]
    sure = np.zeros(len(table))
    sure[[index for index, one in enumerate(ranked) if len(one)]] = lead
    return Answers(
        users=users,
        seen_items=seen_items,
        right=first,
        chosen=table[:, 0],
        wrong=(found.recall(DEFAULT_K) == 0),
        others=drawn,
        sure=sure,
    )


def _seen_items(histories: Sequence[Collection[str]], codes: IdMap) -> UserItemSets:
    return codes.pairs(histories).only(np.arange(len(codes)) < codes.size)


def _known(table: Ints, codes: IdMap) -> Ints:
    """What is not in the catalogue is nothing."""
    return np.where(table < codes.size, table, PAD_ID)


def at(values: NDArray[Any], items: Ints) -> NDArray[Any]:
    """One value for each item number, (I,), looked up; 0 for ``PAD_ID``."""
    return np.append(values, values.dtype.type(0))[items]
