"""Purchases with their times, and how many users bought one item after another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DatedPurchases:
    """P purchases, sorted by user and time.

    Attributes
    ----------
    user
        (P,) index of the user, ascending.
    item
        (P,) index of the item in the catalogue.
    time
        (P,) seconds, or positions in the history where no times are known; ascending for each user.
    """

    user: Ints
    item: NDArray[np.integer]
    time: NDArray[np.float64]

    def users_after(self, item: int) -> tuple[Ints, Ints]:
        """How many users bought another item after an item.

        A user counts if the other item was bought at a later time than the user's first purchase of the item. Of
        purchases at the same time none is later, whatever their order.

        Returns
        -------
        items, counts
            (n,) indices of the other items, ascending, and their numbers of users.
        """
        bought = np.flatnonzero(self.item == item)
        users, first = np.unique(self.user[bought], return_index=True)
        begin = bought[first]  # rows are sorted by time: what is later stands behind
        length = np.searchsorted(self.user, users, side="right") - begin
        owner = np.repeat(np.arange(len(users)), length)
        row = np.arange(len(owner)) - np.repeat(np.cumsum(length) - length, length) + begin[owner]
        later = (self.time[row] > self.time[begin][owner]) & (self.item[row] != item)
        pairs = np.unique(np.stack([self.item[row[later]].astype(np.int64), owner[later]], axis=1), axis=0)
        items, counts = np.unique(pairs[:, 0], return_counts=True)
        return items, counts
