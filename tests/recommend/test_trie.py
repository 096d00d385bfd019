"""The trie of titles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptalk.recommend.trie import PAD_ID, Trie, make_trie

WORDS = [[5, 6, 7], [5, 6], [5, 9, 9, 9], [1], [5, 6, 8, 1]]


def spelled(trie: Trie, node: int = 0, path: tuple[int, ...] = ()) -> dict[int, list[int]]:
    """Walk from a node to all rows, by the arrays alone; what is unique is read from the sequences."""
    if int(trie.count[node]) == 0:
        row = int(trie.low[node])
        rest = trie.sequences[row, int(trie.depth[node]) : int(trie.length[row])].tolist()
        return {int(trie.source[row]): [token for token in path if token != PAD_ID] + rest}
    found = {}
    for child in range(int(trie.first[node]), int(trie.first[node] + trie.count[node])):
        found |= spelled(trie, child, (*path, int(trie.token[child])))
    return found


def test_nodes_by_hand() -> None:
    trie = make_trie(WORDS)
    # rows: 1 | 5 6 | 5 6 7 | 5 6 8 1 | 5 9 9 9; the nodes: root; 1, 5; 6, 9 behind 5; over, 7, 8 behind 6
    assert trie.token.tolist() == [PAD_ID, 1, 5, 6, 9, PAD_ID, 7, 8]
    assert trie.count.tolist() == [2, 0, 2, 3, 0, 0, 0, 0]
    assert trie.first[:4].tolist() == [1, 0, 3, 5]
    assert [(int(low), int(high)) for low, high in zip(trie.low, trie.high, strict=True)] == [
        (0, 5),
        (0, 1),
        (1, 5),
        (1, 4),
        (4, 5),
        (1, 2),
        (2, 3),
        (3, 4),
    ]


def test_a_chain_without_choice_ends_where_there_is_one() -> None:
    trie = make_trie([[1, 2, 3, 4], [1, 2, 3, 5], [9, 9]])
    one = int(trie.first[0])  # the node behind 1: 2 and 3 follow without a choice
    assert trie.token[trie.end[one]] == 3
    assert trie.depth[trie.end[one]] == 3
    alone = one + 1
    assert trie.end[alone] == alone


@given(st.sets(st.lists(st.integers(0, 3), min_size=1, max_size=5).map(tuple), max_size=30))
def test_every_sequence_is_found_once(words: set[tuple[int, ...]]) -> None:
    given = [list(word) for word in sorted(words, reverse=True)]
    trie = make_trie(given)
    assert len(trie) == len(given)
    if given:
        assert spelled(trie) == dict(enumerate(given))


@pytest.mark.parametrize("words", [[[1], [1]], [[1], []], [[]]])
def test_nothing_and_the_same_twice_are_refused(words: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="different and not empty"):
        make_trie(words)


def test_numbers_are_those_of_the_rows() -> None:
    trie = make_trie(WORDS)
    assert np.array_equal(trie.length[trie.source.argsort()], [len(word) for word in WORDS])
