"""Edges for cold-start items, propagated from the items with the most similar text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from shoptalk.graph.interactions import strongest

#: The number of items from which a cold-start item gets edges.
NEIGHBOURS = 5
#: The number of cold-start items whose similarities are computed at once.
_BLOCK_SIZE = 512


def propagate_cold_start_edges(graph: Any, features: Any, known: NDArray[np.bool_]) -> Any:
    """Add edges to and from cold-start items: P E P', where E are the edges among items with purchases.

    The row of P of a cold-start item holds, for its `NEIGHBOURS` most similar items with purchases, the weights
    s_k * s_k / sum(s), where s are the cosines of their features. So the weights are small where no item is similar.

    Parameters
    ----------
    graph
        (I, I) sparse, the edges among items with purchases.
    features
        (I, F) features of the items' text, rows of length 1 or 0, sparse or dense.
    known
        (I,) which items have training purchases.

    Returns
    -------
    sparse matrix
        (I, I) edges among all items; ``graph`` itself where all items have purchases, or none.
    """
    warm, cold = np.flatnonzero(known), np.flatnonzero(~known)
    if not len(cold) or not len(warm):
        return graph
    warm_features = features[warm].T
    parts: list[Any] = [
        _neighbour_weights(features[cold[start : start + _BLOCK_SIZE]] @ warm_features)
        for start in range(0, len(cold), _BLOCK_SIZE)
    ]
    cold_weights: Any = sparse.csr_array(sparse.vstack(parts))  # (cold, warm)
    rows = np.concatenate([warm, np.repeat(cold, np.diff(cold_weights.indptr))])
    columns = np.concatenate([warm, warm[cold_weights.indices]])
    values = np.concatenate([np.ones(len(warm), dtype=np.float32), cold_weights.data])
    propagation: Any = sparse.csr_array((values, (rows, columns)), shape=graph.shape)
    return sparse.csr_array(propagation @ graph @ propagation.T, dtype=np.float32)


def _neighbour_weights(similarity: Any) -> sparse.csr_array[Any]:
    """(B, N) weights of the nearest items, from their cosines (B, N)."""
    weights = strongest(sparse.csr_array(similarity), NEIGHBOURS)
    weights.data = np.maximum(weights.data, 0)
    total = np.maximum(np.asarray(weights.sum(axis=1)).ravel(), 1e-12)
    row = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    weights.data = (weights.data**2 / total[row]).astype(np.float32)
    return weights
