"""First- and second-order relations of users and items as lists of ids, such as prompts show them."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from shoptalk.graph.user_items import NO_GROUP, Ints, UserItemGraph, users_of
from shoptalk.schema import Catalogue, History


class Relations:
    """The relations of users and items by their ids, from training histories.

    First order: the items that a user bought and the users who bought an item. Second order: items that share a brand,
    a category or a user, and users who share an item.

    Parameters
    ----------
    histories
        Training histories, and no others (see `UserItemGraph.of`).
    catalogue
        All items.
    """

    def __init__(self, histories: Iterable[History], catalogue: Catalogue) -> None:
        histories = list(histories)
        self.graph = UserItemGraph.of(histories, catalogue)
        self.users, self.items = users_of(histories), list(catalogue)
        self._user_index = {user: index for index, user in enumerate(self.users)}
        self._item_index = {item: index for index, item in enumerate(self.items)}
        self._brands, self._categories = _members(self.graph.brand), _members(self.graph.category)

    def bought_by(self, user: str) -> list[str]:
        """The items that a user bought, in catalogue order; none for an unknown user."""
        index = self._user_index.get(user)
        if index is None:
            return []
        return [self.items[item] for item in np.sort(_row(self.graph.purchases, index)).tolist()]

    def buyers_of(self, item: str) -> list[str]:
        """The users who bought an item, in the order of the histories."""
        return [self.users[user] for user in np.sort(_row(self.graph.buyers, self._item_index[item])).tolist()]

    def same_brand(self, item: str) -> list[str]:
        """Other items of the same brand, in catalogue order; none for an item without a brand."""
        return self._group_of(item, self.graph.brand, self._brands)

    def same_category(self, item: str) -> list[str]:
        """Other items of the same category, in catalogue order; none for an item without a category."""
        return self._group_of(item, self.graph.category, self._categories)

    def bought_together(self, item: str, most: int | None = None) -> list[str]:
        """Other items that a user of this item bought too, those with the most common users first."""
        index = self._item_index[item]
        counts: Any = self.graph.common_users(np.array([index]))
        return [self.items[other] for other in _strongest(counts, index, most)]

    def with_common_items(self, user: str, most: int | None = None) -> list[str]:
        """Other users who bought an item of this user, those with the most common items first."""
        index = self._user_index.get(user)
        if index is None:
            return []
        counts: Any = self.graph.common_items(np.array([index]))
        return [self.users[other] for other in _strongest(counts, index, most)]

    def _group_of(self, item: str, group: Ints, members: Mapping[int, Ints]) -> list[str]:
        index = self._item_index[item]
        others = members.get(int(group[index]), np.empty(0, dtype=np.int32))
        return [self.items[other] for other in others.tolist() if other != index]


def _members(group: Ints) -> dict[int, Ints]:
    """The items of each group, in catalogue order."""
    order = np.argsort(group, kind="stable")
    numbers, starts = np.unique(group[order], return_index=True)
    parts = np.split(order.astype(np.int32), starts[1:])
    return {number: part for number, part in zip(numbers.tolist(), parts, strict=True) if number != NO_GROUP}


def _row(matrix: Any, index: int) -> Ints:
    """The columns with an entry in a row."""
    return np.asarray(matrix.indices[matrix.indptr[index] : matrix.indptr[index + 1]])


def _strongest(counts: Any, itself: int, most: int | None) -> list[int]:
    """The columns of a matrix of one row, the largest count first; of equal counts in order, and without ``itself``."""
    order = np.lexsort((counts.indices, -counts.data))
    return [column for column in counts.indices[order].tolist() if column != itself][:most]
