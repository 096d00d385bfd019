"""The answer as the history is shortened, purchase by purchase, the oldest first: what the answer hangs on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from shoptalk.evaluation.calibration import softmax
from shoptalk.schema import Candidates, EvalExample, History, RankedList, Recommender

#: Most purchases that are removed one by one; what is older goes together in the first step.
LAST = 10
#: How deep the right item is looked for in a ranking.
DEPTH = 100


@dataclass(frozen=True, slots=True)
class Step:
    """The answer to what is left of a history.

    Attributes
    ----------
    removed
        The items that went in this step; none in the first.
    answer
        The item put first; None for an empty list.
    right
        The right option's softmax share; in a ranking, the right item's rank from 1, None beyond the ``DEPTH``.
    first
        The share of the option that the whole history chose; None in a ranking.
    """

    removed: tuple[str, ...]
    answer: str | None
    right: float | None
    first: float | None = None


def shortened(history: History) -> list[History]:
    """The whole history, then what is left of it down to the last purchase."""
    length = len(history.items)
    kept = [length, *range(min(length - 1, LAST), 0, -1)]
    return [History(history.user_id, history.items[length - n :], history.reviews[-n:]) for n in kept]


def options_what_if(recommender: Recommender, cases: Sequence[EvalExample]) -> list[list[Step]]:
    """The steps of each case with options, from one call of the recommender."""
    asked = [(case, history) for case in cases for history in shortened(case.history)]
    scores = recommender.score([history for _, history in asked], [_options(case) for case, _ in asked])
    fractions = iter([softmax(np.asarray(row, dtype=np.float64)) for row in scores])
    results = []
    for case in cases:
        own = [next(fractions) for _ in shortened(case.history)]
        assert case.answer is not None  # as there are options
        first = int(own[0].argmax())
        results.append([
            Step(removed, _options(case).items[int(row.argmax())], float(row[case.answer]), float(row[first]))
            for removed, row in zip(_removed(case.history), own, strict=True)
        ])  # fmt: skip
    return results


def ranking_what_if(
    rank: Callable[[Sequence[History], int], Sequence[RankedList]], cases: Sequence[EvalExample]
) -> list[list[Step]]:
    """The steps of each case, from one call of ``rank(histories, k)``; what was removed is not recommended again."""
    asked = [history for case in cases for history in shortened(case.history)]
    longest = max((len(case.history.items) for case in cases), default=0)
    lists = iter(rank(asked, DEPTH + longest))
    results = []
    for case in cases:
        seen_items = set(case.history.items)
        steps = []
        for removed in _removed(case.history):
            items = [item for item in next(lists).items if item not in seen_items][:DEPTH]
            right = next((index for index, item in enumerate(items, 1) if item in case.targets), None)
            steps.append(Step(removed, items[0] if items else None, right))
        results.append(steps)
    return results


def _removed(history: History) -> list[tuple[str, ...]]:
    """What each of the steps of ``shortened`` takes away."""
    lengths = [len(history.items), *(len(one.items) for one in shortened(history))]
    at = [len(history.items) - length for length in lengths]
    return [history.items[start:end] for start, end in pairwise(at)]


def _options(case: EvalExample) -> Candidates:
    assert case.candidates is not None
    return case.candidates
