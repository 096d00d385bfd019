"""Pairs of an item of the history and an option, whose values are pooled into one score per option."""

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

#: About how many pairs are computed together, so that memory does not grow with the number of cases.
_BLOCK = 200_000


@dataclass(frozen=True, slots=True)
class HistoryOptionPairs:
    """The P pairs of a block of C cases, whose options are numbered consecutively from 0 to S - 1, the slots.

    Attributes
    ----------
    cases
        The range of the cases.
    sizes
        (C,) number of options of each case.
    seen_items
        (P,) index in the catalogue of the item of the history.
    recency
        (P,) number of items that follow it in the history.
    slot
        (P,) slot of the option.
    """

    cases: slice
    sizes: Ints
    seen_items: Ints
    recency: Ints
    slot: Ints

    def pool(self, values: Floats) -> Floats:
        """The sums (S,) of the values (P,) of each slot's pairs; 0 where a history is empty."""
        return np.bincount(self.slot, weights=values, minlength=int(self.sizes.sum())).astype(np.float64)

    def highest(self, values: Floats) -> Floats:
        """The maximum (S,) of the values (P,), all at least 0, of each slot's pairs; 0 where a history is empty."""
        maximum = np.zeros(int(self.sizes.sum()))
        np.maximum.at(maximum, self.slot, values)
        return maximum

    def split_by_case(self, scores: Floats) -> list[Floats]:
        """Scores (S,) as one array per case."""
        return np.split(scores, np.cumsum(self.sizes)[:-1])


def pair_up(
    histories: Sequence[History], candidates: Sequence[Candidates], item_index: Mapping[str, int]
) -> Iterator[HistoryOptionPairs]:
    """Blocks of cases with all their pairs; items of a history that are not in ``item_index`` are left out.

    Parameters
    ----------
    item_index
        Index in the catalogue by item id.
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
    """Pair each slot with each item of its case's history.

    Parameters
    ----------
    flat
        Items of all histories of the block, concatenated.
    lengths, sizes
        (C,) number of items and of options of each case.
    """
    case_of_slot = np.repeat(np.arange(len(sizes)), sizes)  # (S,)
    repeats = lengths[case_of_slot]  # (S,)
    slot = np.repeat(np.arange(len(case_of_slot)), repeats)  # (P,)
    within = np.arange(len(slot)) - np.repeat(np.cumsum(repeats) - repeats, repeats)  # (P,) position in the history
    first = (np.cumsum(lengths) - lengths)[case_of_slot]  # (S,) where the history begins in flat
    return HistoryOptionPairs(cases, sizes, flat[first[slot] + within], repeats[slot] - 1 - within, slot)


def best_variant(variants: Sequence[V], scorer: Callable[[V], Scorer], cases: Sequence[EvalExample]) -> V:
    """The variant with the highest accuracy on the validation cases; the first of equal ones, or without options."""
    option_cases = [case for case in cases if case.candidates is not None and case.answer is not None]
    if not option_cases or len(variants) < 2:
        return variants[0]
    histories = [case.history for case in option_cases]
    options = [case.candidates for case in option_cases if case.candidates is not None]
    answers = [case.answer for case in option_cases if case.answer is not None]

    def accuracy(variant: V) -> float:
        return float(correctness(scorer(variant)(histories, options), answers).mean())

    return max(variants, key=accuracy)
