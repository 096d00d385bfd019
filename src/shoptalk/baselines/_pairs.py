"""What history-based baselines share: every (item of the history, option) pair, pooled into one score per option."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from shoptalk.evaluation.options import correctness
from shoptalk.schema import Candidates, EvalExample, History

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
V = TypeVar("V")
Scorer = Callable[[Sequence[History], Sequence[Candidates]], list[Floats]]

#: Pairs looked at together; memory does not grow with the number of cases.
_BLOCK = 200_000


@dataclass(frozen=True, slots=True)
class HistoryOptionPairs:
    """All pairs of a block of cases whose options, one case after the other, are S slots."""

    cases: slice  # which cases
    sizes: Ints  # (C,) options of each
    seen_items: Ints  # (P,) place in the catalogue of a history's item
    recency: Ints  # (P,) how many items of the history came after it
    slot: Ints  # (P,) the option, from 0 to S - 1

    def pool(self, values: Floats) -> Floats:
        """Sum the P values of the pairs into S values; 0 where a history is empty."""
        return np.bincount(self.slot, weights=values, minlength=int(self.sizes.sum())).astype(np.float64)

    def highest(self, values: Floats) -> Floats:
        """The largest of each slot's values, all at least 0; 0 where a history is empty."""
        best = np.zeros(int(self.sizes.sum()))
        np.maximum.at(best, self.slot, values)
        return best

    def apart(self, scores: Floats) -> list[Floats]:
        """S scores as one array per case."""
        return np.split(scores, np.cumsum(self.sizes)[:-1])


def pair_up(
    histories: Sequence[History], candidates: Sequence[Candidates], item_index: Mapping[str, int]
) -> Iterator[HistoryOptionPairs]:
    """Blocks of cases with all their pairs; items of a history that ``item_index`` does not know make no pairs.

    Parameters
    ----------
    item_index
        Item id to its place in the catalogue.
    """
    known = [[item_index[item] for item in history.items if item in item_index] for history in histories]
    lengths = np.array([len(items) for items in known], dtype=np.int64)
    sizes = np.array([len(options.items) for options in candidates], dtype=np.int64)
    block = np.cumsum(lengths * sizes) // _BLOCK
    bounds = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(known)] if known else []
    for start, stop in pairwise(bounds):
        flat = np.array([index for items in known[start:stop] for index in items], dtype=np.int64)
        yield _pairs(slice(start, stop), flat, lengths[start:stop], sizes[start:stop])


def _pairs(cases: slice, flat: Ints, lengths: Ints, sizes: Ints) -> HistoryOptionPairs:
    """Each slot meets each item of its case's history: C cases, S slots, P pairs."""
    case_of_slot = np.repeat(np.arange(len(sizes)), sizes)  # (S,)
    repeats = lengths[case_of_slot]  # (S,)
    slot = np.repeat(np.arange(len(case_of_slot)), repeats)  # (P,)
    within = np.arange(len(slot)) - np.repeat(np.cumsum(repeats) - repeats, repeats)  # (P,) from 0 in each slot
    first = (np.cumsum(lengths) - lengths)[case_of_slot]  # (S,) where the history begins in flat
    return HistoryOptionPairs(cases, sizes, flat[first[slot] + within], repeats[slot] - 1 - within, slot)


def best_variant(variants: Sequence[V], scorer: Callable[[V], Scorer], cases: Sequence[EvalExample]) -> V:
    """The variant with the highest accuracy on the validation cases; the first where they have no options, or tie."""
    asked = [case for case in cases if case.candidates is not None and case.answer is not None]
    if not asked or len(variants) < 2:
        return variants[0]
    histories = [case.history for case in asked]
    options = [case.candidates for case in asked if case.candidates is not None]
    answers = [case.answer for case in asked if case.answer is not None]

    def accuracy(variant: V) -> float:
        return float(correctness(scorer(variant)(histories, options), answers).mean())

    return max(variants, key=accuracy)
