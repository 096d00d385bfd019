"""The answers of a model in numbers, from options or from rankings, so that every kind of error sees the same table."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoptalk.constants import DEFAULT_K
from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.catalogue import find
from shoptalk.evaluation.coded import NOTHING, Bools, Codes, Ints, Pairs
from shoptalk.evaluation.options import judge

#: Other users' next purchases that stand for each ranking's wrong options.
DRAWS = 10


@dataclass(frozen=True, slots=True)
class Goods:
    """What is known of the I items of the catalogue.

    ``purchases`` are those of training, (I,); a category is empty where none is known.
    """

    titles: Sequence[str]
    purchases: Ints
    categories: Sequence[str]


@dataclass(frozen=True, slots=True)
class Places:
    """Where options stood, from 0: the chosen one (``NOTHING`` without a choice), the right one, and how many, (N,)."""

    chosen: Ints
    right: Ints
    count: Ints


@dataclass(frozen=True, slots=True)
class Answers:
    """N answers; items are numbers in the catalogue's order, ``NOTHING`` where there is none.

    Attributes
    ----------
    users, held
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
    places
        None for rankings.
    """

    users: Sequence[str]
    held: Pairs
    right: Ints
    chosen: Ints
    wrong: Bools
    others: Ints
    sure: Floats
    places: Places | None = None


def option_answers(
    users: Sequence[str],
    histories: Sequence[Collection[str]],
    options: Sequence[Sequence[str]],
    answers: Sequence[int],
    scores: Sequence[NDArray[Any]],
    codes: Codes,
) -> Answers:
    """Answers chosen among options; wrong where the right one is not among the best.

    Of several equally good options the first counts as chosen; where a score is NaN nothing is chosen, and the answer
    is wrong.
    """
    judged = judge(scores, answers)
    sizes = np.array([len(one) for one in options], dtype=np.int64)
    table = _known(codes.table(options, int(sizes.max(initial=1))), codes)
    rows, width = np.arange(len(table)), table.shape[1]
    place = np.where(judged.chosen.any(axis=1), judged.chosen.argmax(axis=1), NOTHING)
    wrong_options = np.arange(width)[None, :] != judged.answers[:, None]
    return Answers(
        users=users,
        held=_held(histories, codes),
        right=table[rows, judged.answers],
        chosen=np.where(place == NOTHING, NOTHING, table[rows, place]),
        wrong=judged.correct == 0,
        others=table[wrong_options].reshape(len(table), width - 1),
        sure=judged.confidence,
        places=Places(place, judged.answers, sizes),
    )


def ranking_answers(
    users: Sequence[str],
    histories: Sequence[Collection[str]],
    truth: Sequence[Sequence[str]],
    ranked: Sequence[Sequence[str]],
    scores: Sequence[Sequence[float]],
    codes: Codes,
    *,
    seed: int = 1,
) -> Answers:
    """Answers out of the whole catalogue: the first of a list is chosen; wrong without truth among the first ten.

    Cases without truth are not wrong. What other users bought next is drawn anew for each case, never what it holds or
    has as truth itself.
    """
    held, right = _held(histories, codes), codes.pairs(truth)
    table = _known(codes.table(ranked, DEFAULT_K), codes)
    first = _known(codes.table(truth, 1), codes)[:, 0]
    found = find(table, right)
    drawn = np.random.default_rng(seed).choice(first, (len(first), DRAWS)) if len(first) else np.empty((0, DRAWS), int)
    drawn[held.holds(drawn) | right.holds(drawn)] = NOTHING
    lead = [
        float(own[0] - own[: len(one)][:DEFAULT_K][-1]) for own, one in zip(scores, ranked, strict=True) if len(one)
    ]
    sure = np.zeros(len(table))
    sure[[place for place, one in enumerate(ranked) if len(one)]] = lead
    return Answers(
        users=users,
        held=held,
        right=first,
        chosen=table[:, 0],
        wrong=(found.recall(DEFAULT_K) == 0),
        others=drawn,
        sure=sure,
    )


def _held(histories: Sequence[Collection[str]], codes: Codes) -> Pairs:
    return codes.pairs(histories).only(np.arange(len(codes)) < codes.size)


def _known(table: Ints, codes: Codes) -> Ints:
    """What is not in the catalogue is nothing."""
    return np.where(table < codes.size, table, NOTHING)


def at(values: NDArray[Any], items: Ints) -> NDArray[Any]:
    """One value for each item number, (I,), looked up; 0 for ``NOTHING``."""
    return np.append(values, values.dtype.type(0))[items]
