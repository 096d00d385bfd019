"""The pool of candidates of each history: the union of the best items of all sources."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoptalk.graph.interactions import Floats, Ints
from shoptalk.second_stage.sources import Block, CandidateSource


@dataclass(frozen=True, slots=True)
class Pool:
    """P candidates of B histories, one history after the other, items in catalogue order.

    Attributes
    ----------
    row, column
        (P,) number of the history, and of the item.
    sizes
        (B,) candidates of each history.
    scores
        (S, P) of each source.
    ranks
        (S, P) rank of each candidate within its pool by each source, from 1; of equal scores all have the best rank.
    """

    row: Ints
    column: Ints
    sizes: Ints
    scores: Floats
    ranks: NDArray[np.int32]

    @property
    def starts(self) -> Ints:
        """(B,) where the candidates of each history begin."""
        return np.cumsum(self.sizes) - self.sizes


def make_pool(
    block: Block,
    sources: Sequence[CandidateSource],
    depth: int,
    extra: tuple[Ints, Ints] | None = None,
) -> Pool:
    """The best ``depth`` items of each source that proposes, without items of the history.

    Parameters
    ----------
    block
        B histories; dense scores (B, I) of all sources are held at once.
    extra
        Rows and columns of further candidates, as with items that are to be explained.
    """
    dense = [source.scores(block) for source in sources]
    purchases = block.purchases
    chosen = np.zeros((purchases.rows, block.tables.items), dtype=np.bool_)
    for source, scores in zip(sources, dense, strict=True):
        if source.proposes:
            _add_best(chosen, scores, depth)
    chosen[purchases.row, purchases.column] = False
    if extra is not None:
        chosen[extra] = True
    row, column = np.nonzero(chosen)
    values = np.stack([scores[row, column] for scores in dense])
    ranks = np.stack([_ranks(row, scores) for scores in values])
    return Pool(row, column, chosen.sum(axis=1), values, ranks)


def _add_best(chosen: NDArray[np.bool_], scores: Floats, depth: int) -> None:
    """Mark the ``depth`` highest scores of each row, of those above 0; of equal ones the first in the catalogue."""
    if scores.strides[0] == 0:  # a view of one row
        chosen[:, _best_of(scores[:1], depth)[1]] = True
    else:
        chosen[_best_of(scores, depth)] = True


def _best_of(scores: Floats, depth: int) -> tuple[Ints, Ints]:
    """Rows and columns of the ``depth`` highest scores above 0 of each row."""
    columns = [_best_of_row(row, depth) for row in scores]
    return np.repeat(np.arange(len(scores)), [len(best) for best in columns]), np.concatenate(columns)


def _best_of_row(scores: Floats, depth: int) -> Ints:
    """Columns of the ``depth`` highest scores (I,) above 0, in any order; of equal ones the first."""
    positive = np.flatnonzero(scores > 0)
    if len(positive) <= depth:
        return positive
    values = scores[positive]
    border = np.partition(values, len(values) - depth)[len(values) - depth]
    above = positive[values > border]
    return np.concatenate([above, positive[values == border][: depth - len(above)]])


def _ranks(row: Ints, scores: Floats) -> NDArray[np.int32]:
    """(P,) rank within each history from 1; of equal scores all have the rank of the first."""
    order = np.lexsort((-scores, row))
    ordered_row, ordered = row[order], scores[order]
    first_of_row = np.append(True, ordered_row[1:] != ordered_row[:-1])
    first_of_value = first_of_row | np.append(True, ordered[1:] != ordered[:-1])
    position = np.arange(len(row))
    start = np.maximum.accumulate(np.where(first_of_row, position, 0))
    value_start = np.maximum.accumulate(np.where(first_of_value, position, 0))
    ranks = np.empty(len(row), dtype=np.int32)
    ranks[order] = value_start - start + 1
    return ranks
