"""The graph of users and items: who bought what in training, and which items share a brand or a category."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from shoptalk.schema import Catalogue, History, Item

Ints = NDArray[np.int32]

#: The group of an item without a brand, or without a category.
NO_GROUP = -1


@dataclass(frozen=True)
class UserItemGraph:
    """U users and I items with the purchases between them.

    Nodes are numbers: the users are 0 ... U - 1, the items U ... U + I - 1 in the order of the catalogue. All is held
    in sparse matrices: about 16 bytes for each purchase, 8 for each node, and no table of pairs.

    Attributes
    ----------
    purchases
        (U, I) 1 where a user bought an item, float32. A purchase that is repeated counts once.
    brand, category
        (I,) number of the brand and of the category of each item, `NO_GROUP` where it has none.
    """

    purchases: sparse.csr_array[Any]
    brand: Ints
    category: Ints

    @classmethod
    def of(cls, histories: Iterable[History], catalogue: Catalogue) -> "UserItemGraph":
        """The graph of histories; user n is the n-th of the different users in them (see `users_of`).

        Give it the histories of ``Split.train`` alone: every purchase in them becomes an edge. Items that are not in
        the catalogue are left out.
        """
        item_index = {item: index for index, item in enumerate(catalogue)}
        user_index: dict[str, int] = {}
        users: list[int] = []
        items: list[int] = []
        for history in histories:
            user = user_index.setdefault(history.user_id, len(user_index))
            bought = [item_index[item] for item in history.items if item in item_index]
            users += [user] * len(bought)
            items += bought
        return cls.from_edges(
            np.array(users, dtype=np.int32), np.array(items, dtype=np.int32), len(user_index), *item_groups(catalogue)
        )

    @classmethod
    def from_edges(cls, user: Ints, item: Ints, users: int, brand: Ints, category: Ints) -> "UserItemGraph":
        """The graph of E purchases, given as indices ``user`` and ``item`` (E,)."""
        ones = np.ones(len(user), dtype=np.float32)
        purchases: Any = sparse.csr_array((ones, (user, item)), shape=(users, len(brand)))
        purchases.sum_duplicates()
        purchases.data[:] = 1
        return cls(purchases, brand, category)

    @property
    def user_count(self) -> int:
        """U, the number of users; it is also the node of the first item."""
        return int(self.purchases.shape[0])

    @property
    def item_count(self) -> int:
        """I, the number of items."""
        return int(self.purchases.shape[1])

    @property
    def node_count(self) -> int:
        """U + I."""
        return self.user_count + self.item_count

    @cached_property
    def buyers(self) -> sparse.csr_array[Any]:
        """(I, U) the transpose of ``purchases``."""
        return cast("sparse.csr_array[Any]", sparse.csr_array(self.purchases.T))

    def common_users(self, items: NDArray[np.integer]) -> sparse.csr_array[Any]:
        """(n, I) for n items the number of users who bought both; on the diagonal the number of buyers."""
        return cast("sparse.csr_array[Any]", sparse.csr_array(self.buyers[items] @ self.purchases))

    def common_items(self, users: NDArray[np.integer]) -> sparse.csr_array[Any]:
        """(n, U) for n users the number of items that both bought."""
        return cast("sparse.csr_array[Any]", sparse.csr_array(self.purchases[users] @ self.buyers))

    def with_items(self, catalogue: Catalogue) -> "UserItemGraph":
        """The graph with items of a catalogue that were added after its first I items; nobody bought them."""
        brand, category = item_groups(catalogue)
        old: Any = self.purchases
        shape = (self.user_count, len(brand))
        purchases: Any = sparse.csr_array((old.data, old.indices, old.indptr), shape=shape)
        return UserItemGraph(purchases, brand, category)


def users_of(histories: Iterable[History]) -> list[str]:
    """The different users of histories, in the order of their nodes."""
    return list(dict.fromkeys(history.user_id for history in histories))


def item_groups(catalogue: Catalogue) -> tuple[Ints, Ints]:
    """(I,) numbers of the brands and of the categories of items: equal for items that share them.

    The category of an item is the last of its path, the most special one. Brands are compared without regard to case.
    """
    items = list(catalogue.values())
    return _numbers([item.brand.strip().casefold() for item in items]), _numbers([_category(item) for item in items])


def _category(item: Item) -> str:
    return item.categories[-1] if item.categories else ""


def _numbers(names: Sequence[str]) -> Ints:
    """A number for each name, equal for equal names; `NO_GROUP` for an empty one."""
    numbers: Mapping[str, int] = {
        name: number for number, name in enumerate(dict.fromkeys(name for name in names if name))
    }
    return np.array([numbers.get(name, NO_GROUP) for name in names], dtype=np.int32)
