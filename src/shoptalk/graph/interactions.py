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

#: The number of histories that are scored at once; their dense scores take 50 MB for a catalogue of 50,000 items.
BLOCK = 256


@dataclass(frozen=True, slots=True)
class InteractionMatrix:
    """P purchases of B histories (``rows``) over I items (``items``), sorted by history and time.

    ``row`` (P,) is the index of the history, ``column`` (P,) that of the item in the catalogue, and ``recency`` (P,)
    the number of later purchases in the history. Items that are not in the catalogue are left out.
    """

    row: Ints
    column: Ints
    recency: Ints
    rows: int
    items: int

    @classmethod
    def of(cls, histories: Iterable[History], item_index: Mapping[str, int]) -> "InteractionMatrix":
        """The matrix of histories; ``item_index`` maps item ids of the catalogue to indices from 0."""
        columns = [[item_index[item] for item in history.items if item in item_index] for history in histories]
        lengths = np.array([len(items) for items in columns], dtype=np.int64)
        row = np.repeat(np.arange(len(columns)), lengths)
        column = np.array([index for items in columns for index in items], dtype=np.int64)
        recency = np.repeat(np.cumsum(lengths), lengths) - 1 - np.arange(len(column))
        return cls(row, column, recency, len(columns), len(item_index))

    def weighted(self, decay: float = 1.0, last: int | None = None) -> sparse.csr_array[Any]:
        """(B, I) ``decay ** recency`` of all, or only the ``last``, purchases; of repeats, the latest counts."""
        selected = np.arange(len(self.row)) if last is None else np.flatnonzero(self.recency < last)
        # In reverse order, the first entry for an item is the latest purchase.
        backwards = selected[::-1]
        _, first = np.unique(self.row[backwards] * self.items + self.column[backwards], return_index=True)
        latest = backwards[first]
        weights = np.power(np.float64(decay), self.recency[latest]).astype(np.float32)
        return sparse.csr_array((weights, (self.row[latest], self.column[latest])), shape=(self.rows, self.items))

    def counts(self, last: int | None = None) -> NDArray[np.float64]:
        """(I,) number of purchases of each item, of all or only the ``last`` purchases of each history."""
        column = self.column if last is None else self.column[self.recency < last]
        return np.bincount(column, minlength=self.items).astype(np.float64)

    def blocks(self, size: int = BLOCK) -> Iterator["InteractionMatrix"]:
        """The histories in blocks of ``size``."""
        for start in range(0, self.rows, size):
            stop = min(start + size, self.rows)
            part = slice(*np.searchsorted(self.row, [start, stop]).tolist())
            yield InteractionMatrix(
                self.row[part] - start, self.column[part], self.recency[part], stop - start, self.items
            )


def item_index_of(catalogue: Catalogue) -> dict[str, int]:
    """Item id -> index in the catalogue."""
    return {item: index for index, item in enumerate(catalogue)}


def strongest(similarity: sparse.csr_array[Any], count: int) -> sparse.csr_array[Any]:
    """The ``count`` largest entries of each row; of equal entries, those in the first columns."""
    matrix = sparse.csr_array(similarity)
    matrix.sort_indices()
    lengths = np.diff(matrix.indptr)
    long_rows = lengths > count
    if not long_rows.any():
        return matrix
    kept = np.ones(len(matrix.data), dtype=np.bool_)
    inside = np.flatnonzero(np.repeat(long_rows, lengths))  # only the entries of long rows are sorted
    row = np.repeat(np.flatnonzero(long_rows), lengths[long_rows])
    order = np.lexsort((matrix.indices[inside], -matrix.data[inside], row))  # within each row, the largest first
    rank = np.arange(len(row)) - np.repeat(np.cumsum(lengths[long_rows]) - lengths[long_rows], lengths[long_rows])
    kept[inside[order[rank >= count]]] = False
    indptr = np.concatenate([[0], np.cumsum(np.minimum(lengths, count))])
    return sparse.csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)


def product(weights: sparse.csr_array[Any], similarity: sparse.csr_array[Any]) -> Floats:
    """(B, I) scores: the sum of ``similarity`` (I, I) over the items of each history, with ``weights`` (B, I)."""
    return np.asarray((weights @ similarity).toarray(), dtype=np.float32)
