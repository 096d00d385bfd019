"""The simple ranking by which the audit measures what ties do."""

import numpy as np
from scipy import sparse

from shoptalk.constants import DEFAULT_K
from shoptalk.evaluation.audit import ties
from shoptalk.evaluation.audit.evidence import Log


def ranked_by_item_0(targets: list[list[int]], items: int, weights: list[float]) -> list[float]:
    """Recall of users who had item 0 and bought the targets next; weights (items,) are the scores that follow it."""
    user = np.repeat(np.arange(len(targets)), [1 + len(own) for own in targets])
    item = np.array([number for own in targets for number in (0, *own)])
    log = Log(user, item, np.arange(len(user)), np.zeros(len(user), dtype=np.int8),
              [f"u{number}" for number in range(len(targets))],
              [f"i{number}" for number in range(items)], [""] * items)  # fmt: skip
    steps = np.zeros((items, items), dtype=np.float32)
    steps[0] = weights
    first = log.start[:-1]
    return ties._recall(log, sparse.csr_array(steps), first, first + 1, log.start[1:]).tolist()


def test_equal_scores_stand_in_catalogue_order() -> None:
    # All of the items 1 .. 40 score the same: the first ten of the catalogue are recommended, and no others.
    found = ranked_by_item_0([[number] for number in range(1, 41)], 41, [0.0] + [1.0] * 40)
    assert found == [1.0] * DEFAULT_K + [0.0] * (40 - DEFAULT_K)


def test_a_higher_score_stands_before_the_catalogue_order() -> None:
    # Item 40 scores most, so of the equal ones only 1 .. 9 are left in the first ten.
    found = ranked_by_item_0([[40], [9], [10], [9, 10], [9, 9, 10, 11]], 41, [0.0] + [1.0] * 39 + [2.0])
    assert found == [1, 1, 0, 1 / 2, 1 / 3]  # what is bought twice counts once


def test_nothing_is_recommended_without_evidence() -> None:
    assert ranked_by_item_0([[1], [2]], 3, [0.0, 1.0, 0.0]) == [1, 0]
