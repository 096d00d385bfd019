"""The live catalogue: the products of the runs with what was added and changed since, as arrays for masks."""

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoptalk.errors import UsageError
from shoptalk.online.items import StoredItem
from shoptalk.schema import Item

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

#: Texts of an item; a change of one of them changes what models read.
TEXTS = ("title", "brand", "categories", "description", "features")


@dataclass(frozen=True)
class Groups:
    """Items by a name, such as a category.

    Attributes
    ----------
    members
        Indices of items by case-folded name.
    codes
        (I,) a number for the item's group; -1 where it has none.
    """

    members: Mapping[str, Ints]
    codes: Ints


@dataclass(frozen=True)
class LiveCatalogue:
    """I products in a fixed order: those of the runs, then those that were added. None is ever removed from the arrays.

    Attributes
    ----------
    items
        The products by id.
    index
        Index of each id.
    prices, stock
        (I,) NaN where unknown.
    hidden, deleted
        (I,) not to be recommended for now; deleted.
    added
        (I,) when it was added, or first bought, in seconds since 1970; 0 if unknown.
    categories, brands
        Items by category and brand. The code of an item's category is that of its last, most specific one.
    revision
        The newest change that is contained.
    new
        Ids of products that no run was trained with, in the order of the arrays.
    """

    items: Mapping[str, Item]
    ids: Sequence[str]
    index: Mapping[str, int]
    prices: NDArray[np.float64]
    stock: NDArray[np.float64]
    hidden: Bools
    deleted: Bools
    added: NDArray[np.float64]
    categories: Groups
    brands: Groups
    revision: int = 0
    new: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def offered(self) -> Bools:
        """(I,) which products exist and are not hidden."""
        return ~(self.hidden | self.deleted)

    def get(self, item_id: str) -> Item | None:
        """A product that is not deleted."""
        position = self.index.get(item_id)
        return None if position is None or self.deleted[position] else self.items[item_id]

    def mask(self, ids: Iterable[str]) -> Bools:
        """(I,) which products have one of these ids; unknown ids are ignored."""
        mask = np.zeros(len(self), dtype=np.bool_)
        mask[[self.index[item] for item in ids if item in self.index]] = True
        return mask

    def in_categories(self, names: Collection[str]) -> Bools:
        """(I,) which products have one of these categories.

        Raises
        ------
        UsageError
            For a category that no product has, with the nearest.
        """
        return self._in(self.categories, names, "category")

    def in_brands(self, names: Collection[str]) -> Bools:
        """(I,) which products have one of these brands; see `in_categories`."""
        return self._in(self.brands, names, "brand")

    def _in(self, groups: Groups, names: Collection[str], what: str) -> Bools:
        mask = np.zeros(len(self), dtype=np.bool_)
        for name in names:
            members = groups.members.get(name.casefold())
            if members is None:
                near = difflib.get_close_matches(name.casefold(), groups.members, n=3)
                raise UsageError(
                    f"no product has the {what} {name[:80]!r}",
                    hint=f"did you mean {', '.join(near)}?" if near else None,
                )
            mask[members] = True
        return mask


def make_catalogue(items: Mapping[str, Item], first_seen: Mapping[str, float] = {}) -> LiveCatalogue:
    """The catalogue of the runs, before any change."""
    ids = tuple(items)
    prices = [np.nan if item.price is None else item.price for item in items.values()]
    categories, brands = _groups(list(items.values()))
    return LiveCatalogue(
        items=items,
        ids=ids,
        index={item: index for index, item in enumerate(ids)},
        prices=np.array(prices, dtype=np.float64),
        stock=np.full(len(ids), np.nan),
        hidden=np.zeros(len(ids), dtype=np.bool_),
        deleted=np.zeros(len(ids), dtype=np.bool_),
        added=np.array([first_seen.get(item, 0.0) for item in ids], dtype=np.float64),
        categories=categories,
        brands=brands,
    )


def apply_changes(catalogue: LiveCatalogue, changes: Sequence[StoredItem], revision: int) -> LiveCatalogue:
    """The catalogue with changed and added products. Arrays are copied, texts and groups only where they change."""
    if not changes:
        return catalogue
    items = dict(catalogue.items)
    appended = [one.item.item_id for one in changes if one.item.item_id not in catalogue.index]
    ids, index = catalogue.ids, catalogue.index
    if appended:
        ids = (*ids, *appended)
        index = {**index, **{item: len(catalogue) + number for number, item in enumerate(appended)}}
    count = len(appended)
    prices, stock = _longer(catalogue.prices, count, np.nan), _longer(catalogue.stock, count, np.nan)
    hidden, deleted = _longer(catalogue.hidden, count, False), _longer(catalogue.deleted, count, False)
    added = _longer(catalogue.added, count, 0.0)
    regroup = bool(appended)
    for one in changes:
        item, position = one.item, index[one.item.item_id]
        old = items.get(item.item_id)
        regroup = regroup or old is None or (old.brand, old.categories) != (item.brand, item.categories)
        items[item.item_id] = item
        prices[position] = np.nan if item.price is None else item.price
        stock[position] = np.nan if one.stock is None else one.stock
        hidden[position], deleted[position] = one.hidden, one.deleted
        if item.item_id not in catalogue.index or item.item_id in catalogue.new:
            added[position] = one.added
    categories, brands = catalogue.categories, catalogue.brands
    if regroup:
        categories, brands = _groups([items[item] for item in ids])
    return LiveCatalogue(
        items, ids, index, prices, stock, hidden, deleted, added, categories, brands, revision,
        (*catalogue.new, *appended),
    )  # fmt: skip


def changed_texts(before: LiveCatalogue, after: LiveCatalogue) -> set[str]:
    """Ids of products that are new, or whose texts differ."""
    if before.items is after.items:
        return set()
    return {
        item_id
        for item_id, item in after.items.items()
        if (old := before.items.get(item_id)) is None
        or (old is not item and any(getattr(old, name) != getattr(item, name) for name in TEXTS))
    }


def _longer(array: NDArray[Any], count: int, value: Any) -> NDArray[Any]:
    return np.concatenate([array, np.full(count, value, dtype=array.dtype)])


def _groups(items: Sequence[Item]) -> tuple[Groups, Groups]:
    """The categories and the brands of the items."""
    brands = [(item.brand,) if item.brand else () for item in items]
    return _group([item.categories for item in items]), _group(brands)


def _group(names: Sequence[Sequence[str]]) -> Groups:
    members: dict[str, list[int]] = {}
    numbers: dict[str, int] = {}
    codes = np.full(len(names), -1, dtype=np.int64)
    for position, own in enumerate(names):
        folded = dict.fromkeys(name.casefold() for name in own)
        for name in folded:
            members.setdefault(name, []).append(position)
        if folded:
            codes[position] = numbers.setdefault(next(reversed(folded)), len(numbers))
    return Groups({name: np.array(indices, dtype=np.int64) for name, indices in members.items()}, codes)
