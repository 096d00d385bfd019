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
#: The number of histories whose dense vectors of words are held at once.
HISTORIES = 32


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
    lengths = np.diff(matrix.indptr)
    kept = np.ones(len(matrix.data), dtype=np.bool_)
    for row in np.flatnonzero(lengths > count).tolist():
        entries = slice(matrix.indptr[row], matrix.indptr[row + 1])
        kept[entries] = _largest(matrix.data[entries], matrix.indices[entries], count)
    indptr = np.concatenate([[0], np.cumsum(np.minimum(lengths, count))])
    result = sparse.csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)
    result.sort_indices()
    return result


def _largest(values: NDArray[Any], columns: NDArray[Any], count: int) -> NDArray[np.bool_]:
    """(N,) which are the ``count`` largest of more values (N,); of equal ones, those in the first columns (N,)."""
    border = np.partition(values, len(values) - count)[len(values) - count]
    largest = values > border
    equal = np.flatnonzero(values == border)
    left = count - np.count_nonzero(largest)
    largest[equal[np.argsort(columns[equal])[:left]]] = True
    return np.asarray(largest, dtype=np.bool_)


def product(weights: sparse.csr_array[Any], similarity: sparse.csr_array[Any]) -> Floats:
    """(B, I) scores: the sum of ``similarity`` (I, I) over the items of each history, with ``weights`` (B, I)."""
    return np.asarray((weights @ similarity).toarray(), dtype=np.float32)


def cosine_sums(weights: sparse.csr_array[Any], vectors: Any) -> Floats:
    """(B, I) for each item the sum of its cosines with the items of a history, with ``weights`` (B, I).

    Parameters
    ----------
    vectors
        (I, W) of length 1 or 0, sparse or dense.
    """
    if not sparse.issparse(vectors):
        return np.asarray(weights @ vectors @ vectors.T, dtype=np.float32)
    result = np.empty(weights.shape, dtype=np.float32)
    # Most words of a history are common ones: a sparse product of the histories' words would have as many terms as the
    # product with their dense vectors, and counting its entries costs more than multiplying.
    for start in range(0, len(result), HISTORIES):
        block: Any = weights[start : start + HISTORIES]
        words = (block @ vectors).toarray()  # (b, W)
        result[start : start + HISTORIES] = (vectors @ np.ascontiguousarray(words.T)).T
    return result
