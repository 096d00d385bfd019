"""What may be recommended: by category, price, and lists of what is in stock or must not be shown."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoptalk.schema import Catalogue

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that all hold at once; None, or nothing, where one is not asked for.

    Attributes
    ----------
    categories
        At least one of these, in any case of letters.
    lowest, highest
        Of the price; an item without a price fits no bound.
    allow, deny
        Ids; of an allow list, those in stock for instance. Ids that the catalogue does not have are nobody's.
    """

    categories: tuple[str, ...] = ()
    lowest: float | None = None
    highest: float | None = None
    allow: Collection[str] | None = None
    deny: Collection[str] = ()


class Shelf:
    """The catalogue's items as columns, so that a filter is a few operations on arrays.

    Parameters
    ----------
    items
        Ids of I items, in the order of the scores.
    catalogue
        What is known of them.
    """

    def __init__(self, items: Sequence[str], catalogue: Catalogue) -> None:
        self.places = {item: place for place, item in enumerate(items)}
        prices = [catalogue[item].price if item in catalogue else None for item in items]
        self._prices = np.array([np.nan if price is None else price for price in prices], dtype=np.float64)
        self._categories: dict[str, list[int]] = {}
        for place, item in enumerate(items):
            for category in {name.casefold() for name in catalogue[item].categories} if item in catalogue else ():
                self._categories.setdefault(category, []).append(place)

    def allowed(self, filters: Filters) -> Bools | None:
        """(I,) which items pass; None where nothing is asked for."""
        asked: list[Bools] = []
        if filters.categories:
            mask = np.zeros(len(self.places), dtype=np.bool_)
            for name in filters.categories:
                mask[self._categories.get(name.casefold(), [])] = True
            asked.append(mask)
        if filters.lowest is not None:
            asked.append(self._prices >= filters.lowest)
        if filters.highest is not None:
            asked.append(self._prices <= filters.highest)
        if filters.allow is not None:
            asked.append(self._named(filters.allow))
        if filters.deny:
            asked.append(~self._named(filters.deny))
        return np.logical_and.reduce(asked) if asked else None

    def _named(self, ids: Collection[str]) -> Bools:
        mask = np.zeros(len(self.places), dtype=np.bool_)
        places = self.places
        mask[[places[item] for item in ids if item in places]] = True
        return mask
