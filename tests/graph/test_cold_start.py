"""Edges of items without purchases, by hand."""

import numpy as np
import pytest
from scipy import sparse

from shoptalk.graph.cold_start import propagate_cold_start_edges

# a -> b three times; c, d and e have no purchases: c has cosine 1 with a, d has cosine .6 with b, e is similar to none.
GRAPH = sparse.csr_array(np.array([[0, 3, 0, 0, 0]] + [[0] * 5] * 4, dtype=np.float32))
FEATURES = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0.6, 0.8], [0, 0, 0]], dtype=np.float32)
KNOWN = np.array([True, True, False, False, False])


@pytest.mark.parametrize("dense", [False, True])
def test_by_hand(dense: bool) -> None:
    graph = propagate_cold_start_edges(GRAPH, FEATURES if dense else sparse.csr_array(FEATURES), KNOWN).toarray()
    expected = np.zeros((5, 5))
    expected[0, 1] = 3
    expected[2, 1] = 3  # c has the edges of a: 1 * 1 / 1
    expected[0, 3] = 3 * 0.6  # d has the edges of b: .6 * .6 / .6
    expected[2, 3] = 3 * 0.6
    assert graph == pytest.approx(expected)


def test_without_cold_start_items_or_known_items_the_graph_is_unchanged() -> None:
    assert propagate_cold_start_edges(GRAPH, FEATURES, np.ones(5, dtype=bool)) is GRAPH
    assert propagate_cold_start_edges(GRAPH, FEATURES, np.zeros(5, dtype=bool)) is GRAPH
