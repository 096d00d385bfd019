"""Histories as sparse matrices, by hand."""

import math

import numpy as np
import pytest
from scipy import sparse

from shoptalk.graph.interactions import InteractionMatrix, cosine_sums, strongest
from shoptalk.schema import History

INDICES = {"a": 0, "b": 1, "c": 2}
PURCHASES = InteractionMatrix.of(
    [History("u", ("a", "b", "gone", "a")), History("v", ()), History("w", ("c",))], INDICES
)


def test_purchases_by_hand() -> None:
    assert PURCHASES.row.tolist() == [0, 0, 0, 2]
    assert PURCHASES.column.tolist() == [0, 1, 0, 2]
    assert PURCHASES.recency.tolist() == [2, 1, 0, 0]  # the unknown item makes nothing older
    assert (PURCHASES.rows, PURCHASES.items) == (3, 3)


def test_of_a_repeat_the_latest_purchase_counts() -> None:
    assert PURCHASES.weighted(0.5).toarray().tolist() == [[1, 0.5, 0], [0, 0, 0], [0, 0, 1]]
    assert PURCHASES.weighted(0.5, last=1).toarray().tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert PURCHASES.weighted().toarray().tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert PURCHASES.weighted().dtype == np.float32


def test_counts_are_of_purchases() -> None:
    assert PURCHASES.counts().tolist() == [2, 1, 1]
    assert PURCHASES.counts(last=1).tolist() == [1, 0, 1]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_blocks_are_the_whole(size: int) -> None:
    blocks = [block.weighted(0.5).toarray() for block in PURCHASES.blocks(size)]
    assert len(blocks) == math.ceil(3 / size)
    assert np.concatenate(blocks).tolist() == PURCHASES.weighted(0.5).toarray().tolist()


def test_strongest_of_each_row_and_the_first_of_equals() -> None:
    matrix = sparse.csr_array(np.array([[1, 3, 2, 3], [0, 0, 0, 0], [0, 5, 0, 0], [4, 4, 4, 0]], dtype=np.float32))
    assert strongest(matrix, 2).toarray().tolist() == [[0, 3, 0, 3], [0, 0, 0, 0], [0, 5, 0, 0], [4, 4, 0, 0]]
    assert strongest(matrix, 9).toarray().tolist() == matrix.toarray().tolist()


@pytest.mark.parametrize("dense", [False, True])
def test_cosine_sums_are_weighted_products(dense: bool) -> None:
    random = np.random.default_rng(1)
    vectors = sparse.random_array((9, 7), density=0.4, rng=random, dtype=np.float32, format="csr")
    weights = sparse.random_array((70, 9), density=0.3, rng=random, dtype=np.float32, format="csr")  # three blocks
    expected = weights.toarray() @ vectors.toarray() @ vectors.toarray().T
    found = cosine_sums(weights, vectors.toarray() if dense else vectors)
    assert found.shape == (70, 9)
    assert found == pytest.approx(expected, abs=1e-6)
    assert (cosine_sums(weights[40:41], vectors) == cosine_sums(weights, vectors)[40]).all()  # whatever the block
