"""What-if analysis: answers for shortened histories, without the oldest purchase, the two oldest, and so on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from shoptalk.evaluation.calibration import softmax
from shoptalk.schema import Candidates, EvalExample, History, RankedList, Recommender

#: Most purchases that are removed one by one; all older ones are removed together in the first step.
LAST = 10
#: Length of the ranking in which the right item is searched.
DEPTH = 100


@dataclass(frozen=True, slots=True)
class Step:
    """The answer for one shortened history.

    Attributes
    ----------
    removed
        The items removed in this step; none in the first.
    answer
        The item with the highest score; None for an empty list.
    right
        The softmax probability of the right option; in a ranking, the rank of the right item from 1, or None beyond
        ``DEPTH``.
    first
        The probability of the option that is chosen for the whole history; None in a ranking.
    """

    removed: tuple[str, ...]
    answer: str | None
    right: float | None
    first: float | None = None


def shortened(history: History) -> list[History]:
    """The whole history, then ever shorter ones down to the last purchase."""
    whole = len(history.items)
    lengths = [whole, *range(min(whole - 1, LAST), 0, -1)]
    return [History(history.user_id, history.items[whole - n :], history.reviews[-n:]) for n in lengths]


def options_what_if(recommender: Recommender, cases: Sequence[EvalExample]) -> list[list[Step]]:
    """The steps of each case with options, from one call of the recommender."""
    prompts = [(case, history) for case in cases for history in shortened(case.history)]
    scores = recommender.score([history for _, history in prompts], [_options(case) for case, _ in prompts])
    probabilities = iter([softmax(np.asarray(row, dtype=np.float64)) for row in scores])
    results = []
    for case in cases:
        rows = [next(probabilities) for _ in shortened(case.history)]
        assert case.answer is not None  # as there are options
        first = int(rows[0].argmax())
        items = _options(case).items
        results.append(
            [
                Step(removed, items[int(row.argmax())], float(row[case.answer]), float(row[first]))
                for removed, row in zip(_removed(case.history), rows, strict=True)
            ]
        )
    return results


def ranking_what_if(
    rank: Callable[[Sequence[History], int], Sequence[RankedList]], cases: Sequence[EvalExample]
) -> list[list[Step]]:
    """The steps of each case, from one call of ``rank(histories, k)``; removed items are not recommended."""
    histories = [history for case in cases for history in shortened(case.history)]
    longest = max((len(case.history.items) for case in cases), default=0)
    lists = iter(rank(histories, DEPTH + longest))
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
    """The items that each step of ``shortened`` removes."""
    lengths = [len(history.items), *(len(shorter.items) for shorter in shortened(history))]
    starts = [len(history.items) - length for length in lengths]
    return [history.items[start:end] for start, end in pairwise(starts)]


def _options(case: EvalExample) -> Candidates:
    """The candidates of a case that has some."""
    assert case.candidates is not None
    return case.candidates
