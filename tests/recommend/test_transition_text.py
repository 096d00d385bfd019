"""The scorer beside a model: what it adds, what it knows of new items, the same after a reload."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from shoptalk.errors import ModelError
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.graph.transitions import edges
from shoptalk.recommend.transition_text import (
    TABLES,
    MixingWeights,
    TransitionTextScorer,
    load_transition_text,
    save_transition_text,
)
from shoptalk.schema import History

KNOWN = np.array([True, True, True, False])
INDICES = {"a": 0, "b": 1, "c": 2, "d": 3}
MIXING = MixingWeights(
    edges=2, words=3, sharpness=1, decay=0.5, word_decay=1, gap=0, back=0, source_exponent=0, option=0
)


def bought(*histories: str) -> InteractionMatrix:
    return InteractionMatrix.of([History(str(n), tuple(items)) for n, items in enumerate(histories)], INDICES)


def scorer(mixing: MixingWeights = MIXING, *, dense: bool = False) -> TransitionTextScorer:
    words = np.array([[1, 0], [1, 0], [0, 1], [0, 0]], dtype=np.float32)  # a and b share a word, d has none
    return TransitionTextScorer(
        edges(bought("ab", "ab", "bc"), mixing.graph), words if dense else sparse.csr_array(words), KNOWN, mixing
    )


@pytest.mark.parametrize("dense", [False, True])
def test_what_is_added(dense: bool) -> None:
    scores = scorer(dense=dense).scores(bought("ab"))
    # b is the last, so its edge to c counts whole: log(1 + 1); a's two edges to b count half: log(1 + .5 * 2).
    transition_scores = np.log([1, 1 + 0.5 * 2, 1 + 1, 1])
    text_scores = np.array([2, 2, 0, 0])  # a and b are each like a and like b
    assert np.allclose(scores, [2 * transition_scores + 3 * text_scores], atol=1e-6)


def test_what_nobody_bought_yet_is_lifted() -> None:
    lifted = scorer(replace(MIXING, cold_start_bonus=0.5)).scores(bought("ab")) - scorer().scores(bought("ab"))
    assert lifted.tolist() == [[0, 0, 0, 0.5]]


def test_an_empty_history_adds_nothing() -> None:
    assert not scorer().scores(bought("")).any()


def test_other_shares_make_another_graph_only_where_edges_differ() -> None:
    purchases = bought("ab", "ab", "bc")
    same = scorer().with_mixing(replace(MIXING, edges=7), purchases)
    assert same.graph.toarray().tolist() == scorer().graph.toarray().tolist()
    both = scorer().with_mixing(replace(MIXING, back=1), purchases)
    assert both.graph[1, 0] == 2


@pytest.mark.parametrize("dense", [False, True])
def test_new_items_have_words_and_borrow_transitions(dense: bool, tmp_path: Path) -> None:
    new = np.array([[1, 0]], dtype=np.float32)
    grown = scorer(dense=dense).extended(new if dense else sparse.csr_array(new))
    save_transition_text(grown, tmp_path)
    for each in (grown, load_transition_text(tmp_path)):
        assert each is not None
        purchases = InteractionMatrix.of([History("u", ("a",))], {**INDICES, "e": 4})
        assert np.allclose(each.scores(purchases)[0], [3, 2 * np.log(3) + 3, 0, 0, 3 + 2 * np.log(2)], atol=1e-6)


def test_a_model_without_memory_has_none(tmp_path: Path) -> None:
    assert load_transition_text(tmp_path) is None


def test_damage_is_one_clear_error(tmp_path: Path) -> None:
    save_transition_text(scorer(), tmp_path)
    (tmp_path / TABLES).write_bytes(b"0" * 80)
    with pytest.raises(ModelError, match="damaged"):
        load_transition_text(tmp_path)
