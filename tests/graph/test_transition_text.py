"""The score of transitions and texts, by hand."""

import numpy as np
import pytest

from shoptalk.graph.transition_text import transition_text_scores

TRANSITIONS = np.array([[0, 1, 3]], dtype=np.float32)
TEXTS = np.array([[0.5, 0, 1]], dtype=np.float32)
COLD = np.array([True, False, False])


def test_both_parts_and_the_cold_start_items() -> None:
    scores = transition_text_scores(
        (1, 3),
        TRANSITIONS,
        TEXTS,
        transition_weight=2,
        text_weight=4,
        sharpness=10,
        cold_start_weight=7,
        cold_start=COLD,
    )
    # 2 log(1 + 10 * 0) + 4 * 0.5 + 7; 2 log(1 + 10 * 1) + 0; 2 log(1 + 10 * 3) + 4 * 1.
    assert scores == pytest.approx(np.array([[9, 2 * np.log(11), 2 * np.log(31) + 4]]))
    assert scores.dtype == np.float32


def test_without_sharpness_edges_add_up() -> None:
    scores = transition_text_scores((1, 3), TRANSITIONS, TEXTS, transition_weight=2, text_weight=4)
    assert scores.tolist() == [[2, 2, 10]]  # 2 * 0 + 4 * 0.5; 2 * 1; 2 * 3 + 4 * 1


def test_some_items_of_one_history() -> None:
    some = transition_text_scores(
        (3,), TRANSITIONS[0], None, transition_weight=1, text_weight=0, cold_start_weight=1, cold_start=COLD
    )
    assert some.tolist() == [1, 1, 3]


def test_parts_that_have_no_weight_are_not_needed() -> None:
    assert transition_text_scores((2, 3), None, None, transition_weight=0, text_weight=0).tolist() == [[0] * 3] * 2
    assert TRANSITIONS.tolist() == [[0, 1, 3]]  # and what is given stays as it is
