"""The pool of candidates of each history: the union of the best items of all sources."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoptalk.graph.interactions import Floats, Ints
from shoptalk.second_stage.sources import Block, CandidateSource

#: Items of a group whose best score is looked at first.
GROUP = 16


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
    above_bound = np.flatnonzero(scores > _lower_bound(scores, depth))
    if len(above_bound) <= depth:
        return above_bound
    values = scores[above_bound]
    border = np.partition(values, len(values) - depth)[len(values) - depth]
    above = above_bound[values > border]
    return np.concatenate([above, above_bound[values == border][: depth - len(above)]])


def _lower_bound(scores: Floats, depth: int) -> float:
    """A number below the ``depth`` highest scores (I,) above 0, for which most of the other scores are not above it.

    Of groups of items, ``depth`` have a best score of at least the ``depth``-th best one: so many items have, too.
    """
    groups = len(scores) // GROUP
    if groups < depth:
        return 0.0
    best = scores[: groups * GROUP].reshape(GROUP, groups).max(axis=0)
    border = np.partition(best, groups - depth)[groups - depth]
    return float(np.nextafter(border, np.float32(-np.inf))) if border > 0 else 0.0


def _ranks(row: Ints, scores: Floats) -> NDArray[np.int32]:
    """(P,) rank within each history from 1; of equal scores all have the rank of the first."""
    keys = (row.astype(np.uint64) << np.uint64(32)) | _descending(scores)
    order = np.argsort(keys)
    ordered = keys[order]
    first_of_value = np.append(True, ordered[1:] != ordered[:-1])
    first_of_row = np.append(True, (ordered[1:] ^ ordered[:-1]) >> np.uint64(32) > 0)
    position = np.arange(len(row))
    start = np.maximum.accumulate(np.where(first_of_row, position, 0))
    value_start = np.maximum.accumulate(np.where(first_of_value, position, 0))
    ranks = np.empty(len(row), dtype=np.int32)
    ranks[order] = value_start - start + 1
    return ranks


def _descending(values: Floats) -> NDArray[np.uint32]:
    """(P,) integers that are the smaller, the larger the values are; equal for equal values."""
    bits = (values + np.float32(0)).view(np.uint32)  # the sum makes 0 of -0
    return np.where(bits >> 31, bits, bits ^ np.uint32(0x7FFFFFFF))  # the bits of negative numbers ascend as they fall
