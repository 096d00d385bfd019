"""Relations of pairs of nodes: by hand, and against distances in the whole graph."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import shortest_path

from shoptalk.graph.node_pairs import (
    BOUGHT,
    COMMON_ITEM,
    COMMON_USERS,
    CONNECTION,
    FAR,
    FIVE_HOPS,
    FOUR_HOPS,
    NO_PAIR,
    NOT_CONNECTED,
    ONE_COMMON_USER,
    RELATIONS,
    SAME_BRAND,
    SAME_CATEGORY,
    SAME_NODE,
    THREE_HOPS,
    NodePairs,
    constant_weights,
    published_weights,
    relation_table,
)
from shoptalk.graph.user_items import UserItemGraph
from shoptalk.schema import History, Item

#: A path u - a - v - b - w - c - x - d, an item e of nobody, and a second common user y of a and b.
CATALOGUE = {
    "a": Item("a", "A", brand="Rose", categories=("Care", "Soap")),
    "b": Item("b", "B", brand="rose", categories=("Care", "Oil")),
    "c": Item("c", "C", categories=("Care", "Soap")),
    "d": Item("d", "D"),
    "e": Item("e", "E", brand="Mint"),
}
HISTORIES = [History("u", ("a",)), History("v", ("a", "b")), History("w", ("b", "c")), History("x", ("c", "d"))]
U, V, W, X = range(4)
A, B, C, D, E = range(4, 9)


def pairs(histories: Sequence[History] = HISTORIES) -> NodePairs:
    return NodePairs(UserItemGraph.of(histories, CATALOGUE))


@pytest.mark.parametrize(
    ("left", "right", "hops", "connection", "weight"),
    [
        (U, A, 1, BOUGHT, 1.0),
        (A, A, 0, SAME_NODE, 0.545),  # (1 + 0) / (1 + 5/6)
        (A, B, 2, ONE_COMMON_USER, 0.364),  # (4/6) / (11/6)
        (U, V, 2, COMMON_ITEM, 0.364),
        (U, B, 3, THREE_HOPS, 0.273),  # u - a - v - b
        (A, C, 4, FOUR_HOPS, 0.182),  # a - v - b - w - c
        (U, W, 4, FOUR_HOPS, 0.182),
        (U, C, 5, FIVE_HOPS, 0.091),
        (A, D, 6, NOT_CONNECTED, 0.0),
        (U, X, 6, NOT_CONNECTED, 0.0),
        (U, D, FAR, NOT_CONNECTED, 0.0),  # seven hops
        (A, E, FAR, NOT_CONNECTED, 0.0),
        (E, E, 0, SAME_NODE, 0.545),
    ],
)
def test_a_path_by_hand(left: int, right: int, hops: int, connection: int, weight: float) -> None:
    for first, second in ((left, right), (right, left)):
        ends = np.array([first]), np.array([second])
        code = pairs().pair_codes(*ends)
        assert pairs().distances(*ends).tolist() == [hops]
        assert (code & CONNECTION).tolist() == [connection]
        assert published_weights()[code].tolist() == [pytest.approx(weight, abs=5e-4)]


def test_shared_brands_categories_and_several_common_users() -> None:
    with_second = pairs([*HISTORIES, History("y", ("b", "a"))])
    left, right = np.array([5, 5, 5, 5, 5]), np.array([6, 7, 8, 9, 5])  # the items begin at node 5
    expected = [COMMON_USERS | SAME_BRAND, FOUR_HOPS | SAME_CATEGORY, NOT_CONNECTED, NOT_CONNECTED, SAME_NODE]
    assert with_second.pair_codes(left, right).tolist() == expected


def test_the_table_of_relations() -> None:
    table = relation_table()
    names = np.array(RELATIONS)

    def of(code: int) -> list[str]:
        return names[table[:, code] > 0].tolist()

    assert of(NO_PAIR) == of(NOT_CONNECTED) == []
    assert of(COMMON_USERS | SAME_BRAND) == ["bought_together", "bought_together_by_several", "same_brand"]
    assert of(ONE_COMMON_USER) == ["bought_together"]
    assert of(NOT_CONNECTED | SAME_CATEGORY) == ["same_category"]
    assert of(BOUGHT) == ["bought"]


def test_rows_with_gaps_and_padding() -> None:
    rows = np.array([[-1, A, -1, C, U], [B, A, -1, -1, -1], [-1] * 5])
    codes = pairs().codes(rows)
    assert codes.shape == (3, 5, 5)
    assert codes[0, 1, 3] & CONNECTION == FOUR_HOPS
    assert codes[0, 4, 1] == codes[0, 1, 4] == BOUGHT
    assert codes[0, 1, 1] == SAME_NODE
    assert not codes[0, [0, 2]].any()
    assert not codes[0, :, [0, 2]].any()
    assert not codes[2].any()
    assert constant_weights()[codes[1]].tolist() == [[1, 1, 0, 0, 0]] * 2 + [[0] * 5] * 3
    assert (pairs().cross_codes(rows[:, 3:], rows) == codes[:, 3:]).all()


@st.composite
def random_graphs(draw: st.DrawFn) -> tuple[int, int, list[tuple[int, int]]]:
    users, items = draw(st.integers(1, 9)), draw(st.integers(1, 70))
    pair = st.tuples(st.integers(0, users - 1), st.integers(0, items - 1))
    return users, items, draw(st.lists(pair, max_size=40))


def graph_of(users: int, items: int, edges: list[tuple[int, int]]) -> UserItemGraph:
    user, item = np.array(edges, dtype=np.int32).reshape(-1, 2).T
    none = np.full(items, -1, dtype=np.int32)
    return UserItemGraph.from_edges(user, item, users, none, none)


def dense(graph: UserItemGraph) -> tuple[np.ndarray, np.ndarray]:
    """The adjacency matrix, and the hop distances of all nodes."""
    bought = graph.purchases.toarray()
    users, items = bought.shape
    adjacency = np.block([[np.zeros((users, users)), bought], [bought.T, np.zeros((items, items))]])
    return adjacency, shortest_path(adjacency, unweighted=True)


@settings(max_examples=60, deadline=None)
@given(random_graphs())
def test_distances_are_the_shortest_paths(drawn: tuple[int, int, list[tuple[int, int]]]) -> None:
    graph = graph_of(*drawn)
    _, expected = dense(graph)
    expected = expected[:12]  # users, and some items
    left, right = (part.ravel() for part in np.indices(expected.shape))
    distances = NodePairs(graph).distances(left, right)
    assert (distances == np.where(expected.ravel() > 6, FAR, expected.ravel())).all()


@settings(max_examples=40, deadline=None)
@given(random_graphs())
def test_weights_are_the_published_matrix(drawn: tuple[int, int, list[tuple[int, int]]]) -> None:
    users, items, edges = drawn
    graph = graph_of(users, items + 1, [*edges, (0, 0)])  # one edge, and one item without any
    adjacency, distances = dense(graph)

    def minmax(values: np.ndarray) -> np.ndarray:
        return (values - values.min()) / (values.max() - values.min())

    expected = minmax(adjacency + minmax(np.maximum(6 - distances, 0)))
    codes = NodePairs(graph).codes(np.arange(graph.node_count)[None])
    assert np.allclose(published_weights()[codes[0]], expected, atol=1e-6)


def test_little_memory_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    graph = graph_of(60, 90, list(zip(random.integers(0, 60, 200), random.integers(0, 90, 200), strict=True)))
    rows = random.integers(-1, graph.node_count, (30, 12))
    expected = NodePairs(graph).codes(rows)
    for module_value in (("LEAST_NODES", 24), ("BLOCK", 300), ("POPULAR", 30)):
        monkeypatch.setattr(f"shoptalk.graph.node_pairs.{module_value[0]}", module_value[1])
    small = NodePairs(graph, bit_bytes=0, row_bytes=2000)
    for _ in range(2):
        assert (small.codes(rows) == expected).all()
    assert small._cached_bytes <= 2000
    assert len(small._bits) <= 24
    left, right = random.integers(0, graph.node_count, (2, 300))
    assert (small.distances(left, right) == NodePairs(graph).distances(left, right)).all()
