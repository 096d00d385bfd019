"""Histories as sparse matrices over the catalogue."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from shoptalk.schema import Catalogue, History

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

#: Histories scored together: their scores are dense, 50 MB for a catalogue of 50,000.
BLOCK = 256


@dataclass(frozen=True, slots=True)
class InteractionMatrix:
    """P purchases of B histories, one history after the other, each in time order.

    ``row`` (P,) numbers the histories, ``column`` (P,) is the item's place among the ``items`` of the catalogue and
    ``recency`` (P,) says how many purchases of the history came later. Items that the catalogue lacks are left out.
    """

    row: Ints
    column: Ints
    recency: Ints
    rows: int
    items: int

    @classmethod
    def of(cls, histories: Iterable[History], item_index: Mapping[str, int]) -> "InteractionMatrix":
        """Look the items of histories up in the catalogue, whose ``item_index`` are item id to number from 0."""
        known = [[item_index[item] for item in history.items if item in item_index] for history in histories]
        lengths = np.array([len(one) for one in known], dtype=np.int64)
        row = np.repeat(np.arange(len(known)), lengths)
        column = np.array([index for one in known for index in one], dtype=np.int64)
        recency = np.repeat(np.cumsum(lengths), lengths) - 1 - np.arange(len(column))
        return cls(row, column, recency, len(known), len(item_index))

    def weighted(self, decay: float = 1.0, last: int | None = None) -> sparse.csr_array[Any]:
        """Matrix (B, I) of ``decay ** age``, of the ``last`` purchases only if said; of a repeat, the latest counts."""
        chosen = np.arange(len(self.row)) if last is None else np.flatnonzero(self.recency < last)
        # The first of equals in reverse is the latest purchase of that item by that user.
        backwards = chosen[::-1]
        _, first = np.unique(self.row[backwards] * self.items + self.column[backwards], return_index=True)
        kept = backwards[first]
        weights = np.power(np.float64(decay), self.recency[kept]).astype(np.float32)
        return sparse.csr_array((weights, (self.row[kept], self.column[kept])), shape=(self.rows, self.items))

    def counts(self, last: int | None = None) -> NDArray[np.float64]:
        """How many of the (``last``) purchases were of each item, (I,)."""
        column = self.column if last is None else self.column[self.recency < last]
        return np.bincount(column, minlength=self.items).astype(np.float64)

    def blocks(self, size: int = BLOCK) -> Iterator["InteractionMatrix"]:
        """The same histories, ``size`` at a time."""
        for start in range(0, self.rows, size):
            stop = min(start + size, self.rows)
            part = slice(*np.searchsorted(self.row, [start, stop]).tolist())
            yield InteractionMatrix(
                self.row[part] - start, self.column[part], self.recency[part], stop - start, self.items
            )


def item_index_of(catalogue: Catalogue) -> dict[str, int]:
    """Item id to its number, from 0, in the catalogue's order."""
    return {item: index for index, item in enumerate(catalogue)}


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
