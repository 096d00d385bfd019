"""The ranking by transitions with which the audit measures the effect of ties."""

import numpy as np
from scipy import sparse

from shoptalk.constants import DEFAULT_K
from shoptalk.evaluation.audit import ties
from shoptalk.evaluation.audit.evidence import Log


def ranked_by_item_0(targets: list[list[int]], items: int, weights: list[float]) -> list[float]:
    """Recall of users with history item 0 and these targets; weights (items,) are the transitions from item 0."""
    user = np.repeat(np.arange(len(targets)), [1 + len(numbers) for numbers in targets])
    item = np.array([number for numbers in targets for number in (0, *numbers)])
    log = Log(
        user=user,
        item=item,
        time=np.arange(len(user)),
        part=np.zeros(len(user), dtype=np.int8),
        users=[f"u{number}" for number in range(len(targets))],
        items=[f"i{number}" for number in range(items)],
        titles=[""] * items,
    )
    steps = np.zeros((items, items), dtype=np.float32)
    steps[0] = weights
    first = log.start[:-1]
    return ties._recall(log, sparse.csr_array(steps), first, first + 1, log.start[1:]).tolist()


def test_equal_scores_stand_in_catalogue_order() -> None:
    # Items 1 .. 40 have equal scores: the first ten of the catalogue are recommended.
    recalls = ranked_by_item_0([[number] for number in range(1, 41)], 41, [0.0] + [1.0] * 40)
    assert recalls == [1.0] * DEFAULT_K + [0.0] * (40 - DEFAULT_K)


def test_a_higher_score_stands_before_the_catalogue_order() -> None:
    # Item 40 has the highest score, so of the others only 1 .. 9 are among the first ten.
    recalls = ranked_by_item_0([[40], [9], [10], [9, 10], [9, 9, 10, 11]], 41, [0.0] + [1.0] * 39 + [2.0])
    assert recalls == [1, 1, 0, 1 / 2, 1 / 3]  # an item bought twice counts once


def test_items_without_a_transition_are_not_recommended() -> None:
    assert ranked_by_item_0([[1], [2]], 3, [0.0, 1.0, 0.0]) == [1, 0]
