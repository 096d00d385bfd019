"""Ranked lists and truths as whole numbers: strings are looked at once, and everything after is whole tables."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: What stands where a list has ended.
PAD_ID = -1


class IdMap:
    """Numbers for item ids: the catalogue's items have theirs in its order, whatever else is met gets the next ones.

    An item is in the catalogue when its number is below ``size``.
    """

    def __init__(self, items: Iterable[str] = ()) -> None:
        self._of: dict[str, int] = {}
        for item in items:
            self.of(item)
        self.size = len(self._of)

    def of(self, item: str) -> int:
        """The number of one item."""
        return self._of.setdefault(item, len(self._of))

    def __len__(self) -> int:
        """How many numbers there are, those outside the catalogue included."""
        return len(self._of)

    def table(self, lists: Sequence[Sequence[str]], width: int) -> Ints:
        """Lists cut to ``width`` as (N, width) numbers; shorter ones end in ``PAD_ID``."""
        lengths = np.array([min(len(one), width) for one in lists], dtype=np.int64)
        made = np.full((len(lists), width), PAD_ID, dtype=np.int64)
        cut = (item for one in lists for item in one[:width])
        made[np.arange(width)[None, :] < lengths[:, None]] = np.fromiter(
            map(self.of, cut), dtype=np.int64, count=int(lengths.sum())
        )
        return made

    def pairs(self, sets: Sequence[Collection[str]]) -> "UserItemSets":
        """Sets of items as pairs of row and number; what a set names twice counts once."""
        rows = np.repeat(np.arange(len(sets)), [len(one) for one in sets])
        items = np.fromiter((self.of(item) for one in sets for item in one), dtype=np.int64, count=len(rows))
        return UserItemSets.of(rows, items, len(sets))


@dataclass(frozen=True, slots=True)
class UserItemSets:
    """Which row has which items: P different pairs, sorted; rows may be empty.

    ``row`` and ``item`` are (P,); ``rows`` is how many rows there are.
    """

    row: Ints
    item: Ints
    rows: int

    @classmethod
    def of(cls, row: Ints, item: Ints, rows: int) -> Self:
        """Sort the pairs and drop what comes again."""
        width = int(item.max(initial=0)) + 1
        keys = np.unique(row * width + item)
        return cls(keys // width, keys % width, rows)

    def counts(self) -> Ints:
        """(N,) how many items each row has."""
        return np.bincount(self.row, minlength=self.rows)

    def only(self, chosen: Bools) -> "UserItemSets":
        """The pairs whose item is chosen; ``chosen`` says so for each number, (M,)."""
        kept = chosen[self.item]
        return UserItemSets(self.row[kept], self.item[kept], self.rows)

    def holds(self, table: Ints) -> Bools:
        """(N, W) whether the row's set holds the item that stands there; ``PAD_ID`` is in no set."""
        if not len(self.row) or not table.size:
            return np.zeros(table.shape, dtype=np.bool_)
        width = int(max(self.item.max(), table.max())) + 1
        keys = self.row * width + self.item
        asked = np.arange(len(table))[:, None] * width + table
        index = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
        return (keys[index] == asked) & (table != PAD_ID)


def first_occurrences(table: Ints) -> Bools:
    """(N, W) True where an item stands for the first time in its list; False where there is ``PAD_ID``."""
    width = table.shape[1]
    # A stable sort keeps equal items in the order of their places, so the first of each run is the first place.
    order = np.argsort(table, axis=1, kind="stable")
    ordered = np.take_along_axis(table, order, axis=1)
    fresh = np.ones(table.shape, dtype=np.bool_)
    if width:
        fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.empty(table.shape, dtype=np.bool_)
    np.put_along_axis(first, order, fresh, axis=1)
    return first & (table != PAD_ID)
