"""What whole-catalogue baselines share: histories as sparse matrices, tuning on validation, scores for options."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from shoptalk.schema import Candidates, Case, Catalogue, History, Ranker, Split

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
S = TypeVar("S")
#: Scores (B, I) of all items for the histories of B users; a new array, that the caller may write to.
Score = Callable[["Purchases"], Floats]

#: Histories scored together: their scores are dense, 50 MB for a catalogue of 50,000.
BLOCK = 256
#: Validation cases that variants are compared on, and the length of the list that they are judged by. On Beauty, 2,000
#: cases chose settings of item-kNN that were a tenth worse on the test than what all cases choose; 8,000 did not.
MOST_CASES, K = 8_000, 10
#: What the most popular item gets where nothing else tells items apart; too little to outweigh any evidence.
LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Purchases:
    """P purchases of B histories, one history after the other, each in time order.

    ``row`` (P,) numbers the histories, ``column`` (P,) is the item's place among the ``items`` of the catalogue and
    ``age`` (P,) says how many purchases of the history came later. Items that the catalogue lacks are left out.
    """

    row: Ints
    column: Ints
    age: Ints
    rows: int
    items: int

    @classmethod
    def of(cls, histories: Iterable[History], places: Mapping[str, int]) -> "Purchases":
        """Look the items of histories up in the catalogue, whose ``places`` are item id to number from 0."""
        known = [[places[item] for item in history.items if item in places] for history in histories]
        lengths = np.array([len(one) for one in known], dtype=np.int64)
        row = np.repeat(np.arange(len(known)), lengths)
        column = np.array([place for one in known for place in one], dtype=np.int64)
        age = np.repeat(np.cumsum(lengths), lengths) - 1 - np.arange(len(column))
        return cls(row, column, age, len(known), len(places))

    def weighted(self, decay: float = 1.0, last: int | None = None) -> sparse.csr_array[Any]:
        """Matrix (B, I) of ``decay ** age``, of the ``last`` purchases only if said; of a repeat, the latest counts."""
        chosen = np.arange(len(self.row)) if last is None else np.flatnonzero(self.age < last)
        # The first of equals in reverse is the latest purchase of that item by that user.
        backwards = chosen[::-1]
        _, first = np.unique(self.row[backwards] * self.items + self.column[backwards], return_index=True)
        kept = backwards[first]
        weights = np.power(np.float64(decay), self.age[kept]).astype(np.float32)
        return sparse.csr_array((weights, (self.row[kept], self.column[kept])), shape=(self.rows, self.items))

    def counts(self, last: int | None = None) -> NDArray[np.float64]:
        """How many of the (``last``) purchases were of each item, (I,)."""
        column = self.column if last is None else self.column[self.age < last]
        return np.bincount(column, minlength=self.items).astype(np.float64)

    def blocks(self, size: int = BLOCK) -> Iterator["Purchases"]:
        """The same histories, ``size`` at a time."""
        for start in range(0, self.rows, size):
            stop = min(start + size, self.rows)
            part = slice(*np.searchsorted(self.row, [start, stop]).tolist())
            yield Purchases(self.row[part] - start, self.column[part], self.age[part], stop - start, self.items)


def places_of(catalogue: Catalogue) -> dict[str, int]:
    """Item id to its number, from 0, in the catalogue's order."""
    return {item: place for place, item in enumerate(catalogue)}


def learned_from(split: Split, places: Mapping[str, int]) -> Purchases:
    """The training histories."""
    return Purchases.of(split.train, places)


def learned_again(split: Split, places: Mapping[str, int]) -> Purchases:
    """The training histories, each followed by what validation asked of the same user.

    Once a variant is chosen, validation has done its work: those purchases are in every test history, and leaving
    them out would make each baseline one purchase out of date. Users of whom nothing may be learned (validation users
    of a split by user) stay unknown. The test is not touched.
    """
    later: dict[str, tuple[str, ...]] = {}
    for case in split.validation:
        later[case.history.user_id] = later.get(case.history.user_id, ()) + case.truth
    return Purchases.of((History(one.user_id, one.items + later.get(one.user_id, ())) for one in split.train), places)


def fallback(purchases: Purchases) -> Floats:
    """Popularity (I,) from 0 to ``LEAST``, to be added to scores that leave many items without any evidence."""
    counts = purchases.counts()
    return (LEAST * counts / max(1.0, counts.max(initial=0))).astype(np.float32)


def strongest(similarity: sparse.csr_array[Any], count: int) -> sparse.csr_array[Any]:
    """Keep the ``count`` largest entries of each row; of equal ones the first columns."""
    matrix = sparse.csr_array(similarity)
    matrix.sort_indices()
    lengths = np.diff(matrix.indptr)
    if not len(matrix.data) or lengths.max() <= count:
        return matrix
    row = np.repeat(np.arange(matrix.shape[0]), lengths)
    order = np.lexsort((matrix.indices, -matrix.data, row))  # rows stay together, the largest first in each
    rank = np.arange(len(row)) - np.repeat(matrix.indptr[:-1], lengths)
    kept = order[rank < count]
    return sparse.csr_array((matrix.data[kept], (row[kept], matrix.indices[kept])), shape=matrix.shape)


def product(weights: sparse.csr_array[Any], similarity: sparse.csr_array[Any]) -> Floats:
    """Dense (B, I) sums of the similarities (I, I) to the items of each history, weighted by (B, I)."""
    return np.asarray((weights @ similarity).toarray(), dtype=np.float32)


def folded_in(purchases: Purchases, factors: Floats, decay: float) -> Floats:
    """Factors (B, F) of users as the weighted mean of the items' factors (I, F); zeros for an empty history."""
    weights = purchases.weighted(decay)
    total = np.maximum(weights.sum(axis=1), np.finfo(np.float32).tiny)
    return np.asarray((weights @ factors) / total[:, None], dtype=np.float32)


class Exam:
    """Validation cases that variants are compared on: NDCG@10 of the whole catalogue without the history.

    Parameters
    ----------
    cases
        Validation cases; at most ``MOST_CASES`` of them are drawn.
    places
        Item id to its number in the catalogue.
    seed
        Of the draw.
    """

    def __init__(self, cases: Sequence[Case], places: Mapping[str, int], seed: int) -> None:
        count = len(cases)
        drawn = np.sort(np.random.default_rng(seed).permutation(count)[:MOST_CASES])
        chosen = [case for case in (cases[place] for place in drawn.tolist()) if any(i in places for i in case.truth)]
        self.histories = Purchases.of((case.history for case in chosen), places)
        self._truth = Purchases.of((History("", tuple(dict.fromkeys(case.truth))) for case in chosen), places)

    def __len__(self) -> int:
        return self.histories.rows

    def ndcg(self, score: Score) -> float:
        """Mean NDCG@10, as ``evaluation.ranking.ndcg`` has it, with equal scores in the catalogue's order."""
        blocks = zip(self.histories.blocks(), self._truth.blocks(), strict=True)
        return sum(float(_gains(score(held), held, truth).sum()) for held, truth in blocks) / max(1, len(self))


def _gains(scores: Floats, held: Purchases, truth: Purchases) -> NDArray[np.float64]:
    """NDCG@10 (B,) of scores (B, I), which are overwritten."""
    scores[held.row, held.column] = -np.inf
    own = scores[truth.row, truth.column]  # (T,)
    single = len(own) == truth.rows  # one truth a case, as nearly always: no copy is needed
    rows = scores if single else scores[truth.row]  # (T, I)
    rank = 1 + np.count_nonzero(rows > own[:, None], axis=1)
    close = np.flatnonzero(rank <= K)  # the others' ties change nothing
    before = np.arange(truth.items) < truth.column[close, None]
    rank[close] += np.count_nonzero((rows[close] == own[close, None]) & before, axis=1)
    gain = np.where((rank <= K) & np.isfinite(own), 1 / np.log2(1 + rank), 0)
    number = np.bincount(truth.row, minlength=truth.rows)
    ideal = np.concatenate([[0], np.cumsum(1 / np.log2(np.arange(2, K + 2)))])[np.minimum(number, K)]
    return np.bincount(truth.row, weights=gain, minlength=truth.rows) / ideal


def tune(start: S, grid: Mapping[str, Sequence[Any]], score: Callable[[S], Score], exam: Exam, rounds: int = 2) -> S:
    """The best settings found by changing one field at a time, all others staying at the best so far.

    Coordinate ascent sees a few dozen variants where a full grid would have thousands, and is as good here: the fields
    hardly depend on each other. The same settings are never judged twice; ties keep what was tried first.

    Parameters
    ----------
    start
        A frozen dataclass: the settings to begin with, and the answer where there are no validation cases.
    grid
        Values to try of each field, in the order in which fields are tried.
    score
        Makes the scores of given settings.
    rounds
        How often to go through the fields; it ends early when a round changes nothing.
    """
    if not len(exam):
        return start
    judged: dict[S, float] = {}

    def value(settings: S) -> float:
        if settings not in judged:
            judged[settings] = exam.ndcg(score(settings))
        return judged[settings]

    best = start
    for _ in range(rounds):
        before = best
        for field, values in grid.items():
            variants: list[S] = [best, *(replace(best, **{field: one}) for one in values)]  # type: ignore[type-var]
            best = max(variants, key=value)
        if best == before:
            break
    return best


def score_options(
    ranker: Ranker, histories: Sequence[History], candidates: Sequence[Candidates]
) -> list[NDArray[np.float64]]:
    """Scores of options out of the scores of all items; an option that is not in the catalogue gets the lowest."""
    places = {item: place for place, item in enumerate(ranker.items)}
    found: list[NDArray[np.float64]] = []
    for start in range(0, len(histories), BLOCK):
        scores = ranker.score_all(histories[start : start + BLOCK])
        for row, options in zip(scores, candidates[start : start + BLOCK], strict=True):
            at = np.array([places.get(item, -1) for item in options.items], dtype=np.int64)
            lowest = row.min(initial=0) if (at < 0).any() else 0
            found.append(np.where(at < 0, lowest, row[at] if len(row) else 0).astype(np.float64))
    return found
