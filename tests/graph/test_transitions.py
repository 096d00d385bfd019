"""The graph of transitions, by hand."""

import numpy as np
import pytest

from shoptalk.baselines.item_knn import Settings as KnnSettings
from shoptalk.baselines.item_knn import similarities
from shoptalk.graph import transitions
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.graph.transitions import Graph, edges
from shoptalk.schema import History
from tests.baselines.small_dataset import CATALOGUE, TRAIN

ITEMS = tuple(CATALOGUE)
LIP1, LIP2, HAIR1, HAIR2, SOAP = range(5)
INDICES = {item: index for index, item in enumerate(ITEMS)}
PURCHASES = InteractionMatrix.of(TRAIN, INDICES)  # t1: lip1 soap; t2: lip1 soap hair1; t3: soap hair2


def graph(gap: float, back: float, source_exponent: float = 0, option: float = 0) -> np.ndarray:
    return edges(PURCHASES, Graph(gap, back, source_exponent, option)).toarray()


def test_steps_ahead_by_hand() -> None:
    expected = np.zeros((5, 5))
    expected[LIP1, SOAP], expected[SOAP, HAIR1], expected[SOAP, HAIR2] = 2, 1, 1
    assert graph(0, 0) == pytest.approx(expected)
    assert graph(0, 0.7) == pytest.approx(expected + 0.7 * expected.T)
    expected[LIP1, HAIR1] = 0.5  # soap lies between them
    assert graph(0.5, 0) == pytest.approx(expected)


def test_normalised_by_users() -> None:
    # users: soap 3, lip1 2, hair1 1
    assert graph(0, 0, 0.5, 0.3)[LIP1, SOAP] == pytest.approx(2 / (2**0.5 * 3**0.3))
    assert graph(0, 1, 0.5, 0.3)[SOAP, LIP1] == pytest.approx(2 / (3**0.5 * 2**0.3))


def test_all_gaps_both_ways_is_item_knn() -> None:
    knn = similarities(PURCHASES, KnnSettings(1.0, 0.5, 0.5, 0.0)).toarray()
    assert graph(1, 1, 0.5, 0.5) == pytest.approx(knn)


def test_no_edge_across_users_nor_to_itself_nor_too_far(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = InteractionMatrix.of([History("u", ("soap", "soap", "lip1")), History("v", ("hair1",))], INDICES)
    matrix = edges(twice, Graph(1, 0, 0, 0)).toarray()
    assert matrix[SOAP, LIP1] == 2  # one step and two steps
    assert matrix.sum() == 2
    monkeypatch.setattr(transitions, "MAX_DISTANCE", 1)
    assert edges(twice, Graph(1, 0, 0, 0)).toarray().sum() == 1
    assert edges(InteractionMatrix.of([], INDICES), Graph()).nnz == 0


def test_a_repeat_does_not_hide_what_is_further_away() -> None:
    # No pair of neighbours differs, yet purchases two apart do.
    purchases = InteractionMatrix.of([History("u", ("soap", "soap")), History("v", ("lip1",))], INDICES)
    assert edges(purchases, Graph(1, 1, 0, 0)).nnz == 0
    purchases = InteractionMatrix.of(
        [History("u", ("soap", "gone", "soap")), History("v", ("lip1", "soap", "soap", "soap"))], INDICES
    )
    assert edges(purchases, Graph(1, 0, 0, 0)).toarray()[LIP1, SOAP] == 3
