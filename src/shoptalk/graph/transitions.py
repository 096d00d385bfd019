"""The graph of transitions: edges between the items of each user, from earlier to later purchases."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from shoptalk.graph.interactions import InteractionMatrix

#: The largest distance between two purchases that make an edge.
MAX_DISTANCE = 20


@dataclass(frozen=True, slots=True)
class Graph:
    """The settings of the graph.

    Two purchases of a user make an edge from the earlier to the later item of weight ``gap ** (number of purchases
    between them)``, and an edge back of ``back`` times that weight. The edge from i to j is divided by
    ``users_i ** source_exponent * users_j ** option``, where ``users_i`` is the number of users with item i.
    """

    gap: float = 0.7
    back: float = 0.7
    source_exponent: float = 0.3
    option: float = 0.3


def edges(purchases: InteractionMatrix, graph: Graph) -> sparse.csr_array[Any]:
    """(I, I) edges, from row to column; no item has an edge to itself."""
    shape = (purchases.items, purchases.items)
    row, column = purchases.row, purchases.column
    sources, targets, weights = [column[:0]], [column[:0]], [np.zeros(0, dtype=np.float32)]
    for step in range(1, min(MAX_DISTANCE, len(row) - 1) + 1):  # the distance of a pair of purchases
        weight = graph.gap ** (step - 1)
        is_edge = (row[:-step] == row[step:]) & (column[:-step] != column[step:])
        if not weight or not is_edge.any():
            break
        sources.append(column[:-step][is_edge])
        targets.append(column[step:][is_edge])
        weights.append(np.full(int(is_edge.sum()), weight, dtype=np.float32))
    values, source, target = np.concatenate(weights), np.concatenate(sources), np.concatenate(targets)
    forward: Any = sparse.csr_array((values, (source, target)), shape=shape)
    both = sparse.coo_array(forward + graph.back * forward.T)
    users = np.maximum(purchases.weighted().sum(axis=0), 1)
    data = both.data * users[both.row] ** -graph.source_exponent * users[both.col] ** -graph.option
    return sparse.csr_array((data.astype(np.float32), (both.row, both.col)), shape=shape)
