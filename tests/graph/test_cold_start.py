"""Edges lent to items without purchases, by hand."""

import numpy as np
import pytest
from scipy import sparse

from shoptalk.graph.cold_start import propagate_cold_start_edges

# a -> b three times; c and d are new: c has a's words (cosine 1), d is half like b (cosine .6), e is like nothing.
GRAPH = sparse.csr_array(np.array([[0, 3, 0, 0, 0]] + [[0] * 5] * 4, dtype=np.float32))
WORDS = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0.6, 0.8], [0, 0, 0]], dtype=np.float32)
KNOWN = np.array([True, True, False, False, False])


@pytest.mark.parametrize("dense", [False, True])
def test_by_hand(dense: bool) -> None:
    lent = propagate_cold_start_edges(GRAPH, WORDS if dense else sparse.csr_array(WORDS), KNOWN).toarray()
    expected = np.zeros((5, 5))
    expected[0, 1] = 3
    expected[2, 1] = 3  # c leads where a leads: 1 * 1 / 1
    expected[0, 3] = 3 * 0.6  # what leads to b leads to d: .6 * .6 / .6
    expected[2, 3] = 3 * 0.6
    assert lent == pytest.approx(expected)


def test_nobody_new_changes_nothing() -> None:
    assert propagate_cold_start_edges(GRAPH, WORDS, np.ones(5, dtype=bool)) is GRAPH
    assert propagate_cold_start_edges(GRAPH, WORDS, np.zeros(5, dtype=bool)) is GRAPH
