"""The catalogue's titles as a trie of tokens in flat arrays, which can be searched for many beams at once."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: Marks the end of a sequence; it is no token.
PAD_ID = -1


@dataclass(frozen=True)
class Trie:
    """A trie of N different sequences of token ids with M nodes.

    There are no nodes below a node with a single sequence; the tokens that follow are read from ``sequences``. The
    children of a node are consecutive nodes, and the sequences through a node are consecutive rows. Where a sequence
    ends and others continue, it has a child with the token `PAD_ID`.

    Attributes
    ----------
    sequences
        (N, L) in lexicographic order, padded with `PAD_ID`.
    length, source
        (N,) number of tokens of each sequence, and its index in the given order.
    token, depth
        (M,) token of a node, and number of tokens from the root to it; node 0 is the root.
    first, count
        (M,) first child, and number of children; both 0 where one sequence is left.
    low, high
        (M,) first row of the sequences through the node, and the row after the last.
    most
        (M,) number of tokens of the longest sequence through the node.
    end
        (M,) the first node from this one on that has several children or none.
    """

    sequences: Tensor
    length: Tensor
    source: Tensor
    token: Tensor
    depth: Tensor
    first: Tensor
    count: Tensor
    low: Tensor
    high: Tensor
    most: Tensor
    end: Tensor

    def __len__(self) -> int:
        """N, the number of sequences."""
        return len(self.length)

    @cached_property
    def longest(self) -> int:
        """Number of tokens of the longest sequence."""
        return int(self.sequences.shape[1])

    def to(self, device: torch.device) -> "Trie":
        """The same arrays on another device."""
        return Trie(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


def make_trie(sequences: Sequence[Sequence[int]]) -> Trie:
    """The trie of N different, non-empty sequences of token ids.

    Raises
    ------
    ValueError
        When a sequence is empty or occurs twice.
    """
    table, length = _table(sequences)
    source = np.lexsort(table.T[::-1]) if table.size else np.arange(len(table))
    table, length = table[source], length[source]
    same = table[1:] == table[:-1]
    if not length.all() or same.all(axis=1).any():
        raise ValueError("the sequences of a trie must be different and not empty")
    difference = np.zeros(len(table), dtype=np.int64)  # first column in which a row differs from the row before it
    if len(table):
        difference[1:] = same.argmin(axis=1)
    arrays = {name: np.concatenate(values) for name, values in _nodes(table, difference).items()}
    end = np.arange(len(arrays["token"]))
    for node in np.flatnonzero(arrays["count"] == 1)[::-1]:  # children have higher numbers, so they are done before
        end[node] = end[arrays["first"][node]]
    most = np.array([0]) if not len(table) else _most(length, arrays["low"], arrays["high"])
    arrays |= {"sequences": table, "length": length, "source": source, "most": most, "end": end}
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array, dtype=np.int64)) for name, array in arrays.items()}
    return Trie(**tensors)


def _most(length: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int64]:
    """The greatest length in each range of rows."""
    ranges = np.stack([low, high], axis=1).ravel()  # every second segment lies between two ranges and is dropped
    return np.maximum.reduceat(np.append(length, 0), ranges)[::2]


def _table(sequences: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The sequences padded to (N, L), and their lengths (N,)."""
    length = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    table = np.full((len(sequences), int(length.max(initial=0))), PAD_ID, dtype=np.int64)
    flat = np.fromiter((token for sequence in sequences for token in sequence), dtype=np.int64, count=int(length.sum()))
    table[np.arange(table.shape[1]) < length[:, None]] = flat
    return table, length


def _nodes(table: NDArray[np.int64], difference: NDArray[np.int64]) -> dict[str, list[NDArray[np.int64]]]:
    """The arrays of the nodes, by name, in one part for each depth.

    At each depth, a row begins a node where it differs from the row before it (``difference``) in that column or an
    earlier one.
    """
    names = ("token", "depth", "first", "count", "low", "high")
    nodes: dict[str, list[NDArray[np.int64]]] = {name: [] for name in names}
    rows = len(table)
    low, high = np.zeros(1, dtype=np.int64), np.full(1, rows, dtype=np.int64)
    token, node_count, depth = np.full(1, PAD_ID, dtype=np.int64), 0, 0
    while True:
        inner = np.flatnonzero(high - low > (1 if depth else 0))  # nodes that have children
        begins = np.zeros(rows, dtype=np.bool_)
        inside = np.zeros(rows + 1, dtype=np.int64)
        np.add.at(inside, low[inner], 1)
        np.add.at(inside, high[inner], -1)
        begins[low[inner]] = True
        begins |= difference <= depth
        starts = np.flatnonzero(begins & (np.cumsum(inside[:-1]) > 0))
        parent = np.searchsorted(low[inner], starts, side="right") - 1
        children = np.bincount(parent, minlength=len(inner)).astype(np.int64)
        first, count = np.zeros_like(low), np.zeros_like(low)
        count[inner] = children
        first[inner] = node_count + len(low) + np.cumsum(children) - children
        values = (token, np.full_like(low, depth), first, count, low, high)
        for name, value in zip(names, values, strict=True):
            nodes[name].append(value)
        node_count += len(low)
        if not len(inner):
            return nodes
        ends = np.minimum(np.append(starts[1:], rows), high[inner][parent])
        low, high, depth = starts, ends, depth + 1
        token = table[starts, depth - 1]
