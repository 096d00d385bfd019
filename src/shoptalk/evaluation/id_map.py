"""Ranked lists and targets as arrays of integers, so that metrics are computed on whole tables."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Padding behind the end of a list.
PAD_ID = -1


class IdMap:
    """Integers for item ids: those of the catalogue in its order, then any other ids in the order of their first use.

    An item is in the catalogue if its number is below ``size``.
    """

    def __init__(self, items: Iterable[str] = ()) -> None:
        self._of: dict[str, int] = {}
        for item in items:
            self.of(item)
        self.size = len(self._of)

    def of(self, item: str) -> int:
        """The number of an item id."""
        return self._of.setdefault(item, len(self._of))

    @property
    def names(self) -> list[str]:
        """The known ids in the order of their numbers."""
        return list(self._of)

    def __len__(self) -> int:
        """The number of known ids, including those outside the catalogue."""
        return len(self._of)

    def table(self, lists: Sequence[Sequence[str]], width: int) -> Ints:
        """Lists cut to ``width`` as (N, width) numbers; shorter ones end in ``PAD_ID``."""
        lengths = np.array([min(len(items), width) for items in lists], dtype=np.int64)
        table = np.full((len(lists), width), PAD_ID, dtype=np.int64)
        first_items = (item for items in lists for item in items[:width])
        table[np.arange(width)[None, :] < lengths[:, None]] = np.fromiter(
            map(self.of, first_items), dtype=np.int64, count=int(lengths.sum())
        )
        return table

    def pairs(self, sets: Sequence[Collection[str]]) -> "UserItemSets":
        """Sets of items as pairs of row and number; repeated items count once."""
        rows = np.repeat(np.arange(len(sets)), [len(members) for members in sets])
        items = np.fromiter((self.of(item) for members in sets for item in members), dtype=np.int64, count=len(rows))
        return UserItemSets.of(rows, items, len(sets))


@dataclass(frozen=True, slots=True)
class UserItemSets:
    """A set of items per row: P different pairs of row and item, sorted; rows may be empty.

    ``row`` and ``item`` are (P,); ``rows`` is the number of rows.
    """

    row: Ints
    item: Ints
    rows: int

    @classmethod
    def of(cls, row: Ints, item: Ints, rows: int) -> Self:
        """Sort the pairs and drop duplicates."""
        width = int(item.max(initial=0)) + 1
        keys = np.unique(row * width + item)
        return cls(keys // width, keys % width, rows)

    def counts(self) -> Ints:
        """(N,) the number of items of each row."""
        return np.bincount(self.row, minlength=self.rows)

    def select(self, chosen: Bools) -> "UserItemSets":
        """The sets restricted to items with a True in ``chosen``, (M,) flags by item number."""
        mask = chosen[self.item]
        return UserItemSets(self.row[mask], self.item[mask], self.rows)

    def contains(self, table: Ints) -> Bools:
        """(N, W) whether the set of the row contains the item of the table; False for ``PAD_ID``."""
        if not len(self.row) or not table.size:
            return np.zeros(table.shape, dtype=np.bool_)
        width = int(max(self.item.max(), table.max())) + 1
        keys = self.row * width + self.item
        wanted = np.arange(len(table))[:, None] * width + table
        index = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return (keys[index] == wanted) & (table != PAD_ID)


def first_occurrences(table: Ints) -> Bools:
    """(N, W) True at the first occurrence of an item in its list; False for ``PAD_ID``."""
    width = table.shape[1]
    # A stable sort keeps the order of equal items, so the first of each run is the first occurrence.
    order = np.argsort(table, axis=1, kind="stable")
    sorted_table = np.take_along_axis(table, order, axis=1)
    is_first = np.ones(table.shape, dtype=np.bool_)
    if width:
        is_first[:, 1:] = sorted_table[:, 1:] != sorted_table[:, :-1]
    result = np.empty(table.shape, dtype=np.bool_)
    np.put_along_axis(result, order, is_first, axis=1)
    return result & (table != PAD_ID)
