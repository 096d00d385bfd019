"""Transitions for items that nobody bought yet, lent by the items most like them in words."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from shoptalk.graph.interactions import strongest

#: How many items lend.
NEIGHBOURS = 5
#: Items whose likeness to all others is held at once.
_BLOCK = 512


def propagate_cold_start_edges(graph: Any, words: Any, known: NDArray[np.bool_]) -> Any:
    """The graph in which each unknown item has the edges that items like it have, to it and from it.

    An unknown item's edges are those of its `NEIGHBOURS` nearest known items, each weighing s_k * s_k / sum(s), where s
    are the cosines of their words: the mean by likeness, the weaker the less alike even the nearest are.

    Parameters
    ----------
    graph
        (I, I) sparse edges among known items; so is what is returned.
    words
        (I, W) rows of length 1 or 0, sparse or dense.
    known
        (I,) which items were bought in training.
    """
    warm, cold = np.flatnonzero(known), np.flatnonzero(~known)
    if not len(cold) or not len(warm):
        return graph
    turned = words[warm].T
    parts: list[Any] = [
        _edge_weights(words[cold[start : start + _BLOCK]] @ turned) for start in range(0, len(cold), _BLOCK)
    ]
    edge_weights: Any = sparse.csr_array(sparse.vstack(parts))  # (cold, warm)
    rows = np.concatenate([warm, np.repeat(cold, np.diff(edge_weights.indptr))])
    columns = np.concatenate([warm, warm[edge_weights.indices]])
    values = np.concatenate([np.ones(len(warm), dtype=np.float32), edge_weights.data])
    own: Any = sparse.csr_array((values, (rows, columns)), shape=graph.shape)
    return sparse.csr_array(own @ graph @ own.T, dtype=np.float32)


def _edge_weights(similarity: Any) -> sparse.csr_array[Any]:
    """(b, N) cosines to what each of the nearest few lends."""
    near = strongest(sparse.csr_array(similarity), NEIGHBOURS)
    near.data = np.maximum(near.data, 0)
    total = np.maximum(np.asarray(near.sum(axis=1)).ravel(), 1e-12)
    row = np.repeat(np.arange(near.shape[0]), np.diff(near.indptr))
    near.data = (near.data**2 / total[row]).astype(np.float32)
    return near
