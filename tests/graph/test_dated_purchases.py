"""Counts of users who bought one item after another."""

import numpy as np

from shoptalk.graph.dated_purchases import DatedPurchases

#: By user: items and times.
ROWS = [
    (0, 0, 1.0), (0, 1, 2.0), (0, 1, 3.0),  # item 1 after item 0, twice by one user
    (1, 1, 1.0), (1, 0, 2.0), (1, 1, 3.0),  # item 1 before and after item 0
    (2, 0, 5.0), (2, 1, 5.0),  # at the same time: not after
    (4, 2, 0.0), (4, 0, 1.0), (4, 0, 2.0), (4, 3, 2.0),  # item 3 after the first purchase of item 0
]  # fmt: skip


def purchases() -> DatedPurchases:
    user, item, time = zip(*ROWS, strict=True)
    return DatedPurchases(np.array(user), np.array(item), np.array(time))


def test_users_are_counted_once_and_only_for_later_purchases() -> None:
    items, counts = purchases().users_after(0)
    assert dict(zip(items.tolist(), counts.tolist(), strict=True)) == {1: 2, 3: 1}


def test_an_item_that_nobody_bought_has_no_followers() -> None:
    items, counts = purchases().users_after(9)
    assert len(items) == len(counts) == 0
