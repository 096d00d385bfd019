"""The catalogue's titles as a token trie in flat arrays, so that a search looks tokens up and never walks objects."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: Stands where a sequence is over; it is no token.
PAD_ID = -1


@dataclass(frozen=True)
class Trie:
    """N different sequences of token ids, and the M nodes at which they part.

    What follows a node that only one sequence goes through is not made into nodes: it is read from ``sequences``. The
    children of a node are consecutive nodes, and the sequences through a node are consecutive rows. Where a sequence
    ends and others go on, it gets a child of its own, with the token `PAD_ID`.

    Attributes
    ----------
    sequences
        (N, L) in lexicographic order, filled up with `PAD_ID`.
    length, source
        (N,) tokens of each, and its place in the order in which it was given.
    token, depth
        (M,) token by which a node is reached, and how many tokens lead to it; node 0 is the root.
    first, count
        (M,) first child, and how many there are; both 0 where one sequence is left.
    low, high
        (M,) first row that goes through the node, and the row after the last.
    most
        (M,) tokens of the longest sequence that goes through the node.
    end
        (M,) the next node at which there is a choice: the node itself, or the last of a chain of only children.
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
        """N, in sequences."""
        return len(self.length)

    @cached_property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return int(self.sequences.shape[1])

    def to(self, device: torch.device) -> "Trie":
        """The same arrays on another device."""
        return Trie(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


def make_trie(sequences: Sequence[Sequence[int]]) -> Trie:
    """The trie of N different, non-empty sequences of token ids, made level by level.

    Raises
    ------
    ValueError
        When a sequence is empty or comes twice: it would be a choice between nothing and nothing.
    """
    table, length = _table(sequences)
    source = np.lexsort(table.T[::-1]) if table.size else np.arange(len(table))
    table, length = table[source], length[source]
    same = table[1:] == table[:-1]
    if not length.all() or same.all(axis=1).any():
        raise ValueError("the sequences of a trie must be different and not empty")
    parts = np.zeros(len(table), dtype=np.int64)  # column in which a row first differs from the one before it
    if len(table):
        parts[1:] = same.argmin(axis=1)
    nodes = _nodes(table, parts)
    arrays = {name: np.concatenate(values) for name, values in nodes.items()}
    end = np.arange(len(arrays["token"]))
    for node in np.flatnonzero(arrays["count"] == 1)[::-1]:  # children have higher numbers: theirs is known already
        end[node] = end[arrays["first"][node]]
    most = np.array([0]) if not len(table) else _most(length, arrays["low"], arrays["high"])
    made = {"sequences": table, "length": length, "source": source, **arrays, "most": most, "end": end}
    return Trie(**{name: torch.from_numpy(np.ascontiguousarray(array, dtype=np.int64)) for name, array in made.items()})


def _most(length: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int64]:
    """The greatest length in each range of rows."""
    ranges = np.stack([low, high], axis=1).ravel()  # every second piece lies between two ranges and is dropped
    return np.maximum.reduceat(np.append(length, 0), ranges)[::2]


def _table(sequences: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    length = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    table = np.full((len(sequences), int(length.max(initial=0))), PAD_ID, dtype=np.int64)
    flat = np.fromiter((token for sequence in sequences for token in sequence), dtype=np.int64, count=int(length.sum()))
    table[np.arange(table.shape[1]) < length[:, None]] = flat
    return table, length


def _nodes(table: NDArray[np.int64], parts: NDArray[np.int64]) -> dict[str, list[NDArray[np.int64]]]:
    """The nodes' arrays, one piece for each depth; a row begins a node where it parts from the row before it."""
    names = ("token", "depth", "first", "count", "low", "high")
    nodes: dict[str, list[NDArray[np.int64]]] = {name: [] for name in names}
    rows = len(table)
    low, high = np.zeros(1, dtype=np.int64), np.full(1, rows, dtype=np.int64)
    token, made, depth = np.full(1, PAD_ID, dtype=np.int64), 0, 0
    while True:
        parted = np.flatnonzero(high - low > (1 if depth else 0))
        begins = np.zeros(rows, dtype=np.bool_)
        inside = np.zeros(rows + 1, dtype=np.int64)
        np.add.at(inside, low[parted], 1)
        np.add.at(inside, high[parted], -1)
        begins[low[parted]] = True
        begins |= parts <= depth
        starts = np.flatnonzero(begins & (np.cumsum(inside[:-1]) > 0))
        owner = np.searchsorted(low[parted], starts, side="right") - 1
        children = np.bincount(owner, minlength=len(parted)).astype(np.int64)
        first, count = np.zeros_like(low), np.zeros_like(low)
        count[parted] = children
        first[parted] = made + len(low) + np.cumsum(children) - children
        values = (token, np.full_like(low, depth), first, count, low, high)
        for name, value in zip(names, values, strict=True):
            nodes[name].append(value)
        made += len(low)
        if not len(parted):
            return nodes
        ends = np.minimum(np.append(starts[1:], rows), high[parted][owner])
        low, high, depth = starts, ends, depth + 1
        token = table[starts, depth - 1]
