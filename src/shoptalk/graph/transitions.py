"""The graph of transitions: an edge for each pair of purchases of one user, from the earlier to the later."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from shoptalk.graph.interactions import InteractionMatrix

#: Purchases further apart than this make no transition.
FURTHEST = 20


@dataclass(frozen=True, slots=True)
class Graph:
    """How purchases become edges.

    Two purchases of a user make an edge from the earlier to the later, of weight ``gap ** (purchases between them)``,
    and one back of ``back`` times that; the edge from i to j is divided by ``users_i ** source_exponent * users_j **
    option``.
    """

    gap: float = 0.7
    back: float = 0.7
    source_exponent: float = 0.3
    option: float = 0.3


def edges(purchases: InteractionMatrix, graph: Graph) -> sparse.csr_array[Any]:
    """The graph (I, I) of B histories, from row to column; no item leads to itself."""
    shape = (purchases.items, purchases.items)
    row, column = purchases.row, purchases.column
    sources, targets, weights = [column[:0]], [column[:0]], [np.zeros(0, dtype=np.float32)]
    for step in range(1, min(FURTHEST, len(row) - 1) + 1):  # pairs of purchases, by the distance between them
        weight = graph.gap ** (step - 1)
        same = (row[:-step] == row[step:]) & (column[:-step] != column[step:])
        if not weight or not same.any():
            break
        sources.append(column[:-step][same])
        targets.append(column[step:][same])
        weights.append(np.full(int(same.sum()), weight, dtype=np.float32))
    values, source, target = np.concatenate(weights), np.concatenate(sources), np.concatenate(targets)
    ahead: Any = sparse.csr_array((values, (source, target)), shape=shape)
    both = sparse.coo_array(ahead + graph.back * ahead.T)
    users = np.maximum(purchases.weighted().sum(axis=0), 1)
    data = both.data * users[both.row] ** -graph.source_exponent * users[both.col] ** -graph.option
    return sparse.csr_array((data.astype(np.float32), (both.row, both.col)), shape=shape)
