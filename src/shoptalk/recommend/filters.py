"""Filters of recommendations: category, price, allow and deny lists."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process

from shoptalk.errors import UsageError
from shoptalk.schema import CATEGORIES, PRICE, Catalogue

Bools = NDArray[np.bool_]

#: Longest id, in characters; a longer line means that the file is no list of ids.
LONGEST_ID = 1_000


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that must all hold; None or empty for no condition.

    Attributes
    ----------
    categories
        At least one of these, compared without case.
    lowest, highest
        Bounds of the price; an item without a price fails both.
    allow, deny
        Item ids of an allow list (those in stock, for example) and a deny list. Ids outside the catalogue are ignored.
    """

    categories: tuple[str, ...] = ()
    lowest: float | None = None
    highest: float | None = None
    allow: Collection[str] | None = None
    deny: Collection[str] = ()


class ItemFilterIndex:
    """Columns of the catalogue, built on first use, with which filters are computed on arrays.

    Parameters
    ----------
    items
        Ids of I items, in the order of the scores.
    catalogue
        The items by their ids.
    """

    def __init__(self, items: Sequence[str], catalogue: Catalogue) -> None:
        self.items, self.catalogue = items, catalogue

    def allowed(self, filters: Filters) -> Bools | None:
        """(I,) mask of the items that pass; None without any condition."""
        masks: list[Bools] = []
        if filters.categories:
            mask = np.zeros(len(self.items), dtype=np.bool_)
            for name in filters.categories:
                mask[self._categories.get(name.casefold(), [])] = True
            masks.append(mask)
        if filters.lowest is not None:
            masks.append(self._prices >= filters.lowest)
        if filters.highest is not None:
            masks.append(self._prices <= filters.highest)
        if filters.allow is not None:
            masks.append(self._mask(filters.allow))
        if filters.deny:
            masks.append(~self._mask(filters.deny))
        return np.logical_and.reduce(masks) if masks else None

    def check(self, filters: Filters) -> None:
        """Check that the conditions can be evaluated on this catalogue.

        Raises
        ------
        UsageError
            For an unknown category, contradictory bounds of the price, or a column that the dataset does not hold.
        """
        low, high = filters.lowest, filters.highest
        if any(bound is not None and math.isnan(bound) for bound in (low, high)):
            raise UsageError("a bound of the price is not a number")
        if low is not None and high is not None and low > high:
            raise UsageError(f"no price is at least {low:g} and at most {high:g}")
        if (low is not None or high is not None) and np.isnan(self._prices).all():
            raise _not_kept("price", PRICE)
        if filters.categories and not self._categories:
            raise _not_kept("category", CATEGORIES)
        for name in filters.categories:
            if name.casefold() not in self._categories:
                near = [match[0] for match in process.extract(name.casefold(), list(self._categories), limit=3)]
                raise UsageError(f"no product has the category {name!r}", hint=f"did you mean {', '.join(near)}?")

    @cached_property
    def _item_index(self) -> dict[str, int]:
        """Index of an item by its id."""
        return {item: index for index, item in enumerate(self.items)}

    @cached_property
    def _prices(self) -> NDArray[np.float64]:
        """(I,) prices, NaN where there is none."""
        prices = [self.catalogue[item].price if item in self.catalogue else None for item in self.items]
        return np.array([np.nan if price is None else price for price in prices], dtype=np.float64)

    @cached_property
    def _categories(self) -> dict[str, list[int]]:
        """Item indices by case-folded category."""
        indices: dict[str, list[int]] = {}
        for index, item in enumerate(self.items):
            categories = self.catalogue[item].categories if item in self.catalogue else ()
            for category in {name.casefold() for name in categories}:
                indices.setdefault(category, []).append(index)
        return indices

    def _mask(self, ids: Collection[str]) -> Bools:
        """(I,) mask of the items with these ids."""
        mask = np.zeros(len(self.items), dtype=np.bool_)
        indices = self._item_index
        mask[[indices[item] for item in ids if item in indices]] = True
        return mask


def read_ids(path: Path) -> frozenset[str]:
    """The ids of a file with one id per line; empty lines and spaces around an id are ignored.

    Raises
    ------
    UsageError
        With file and line, when the file cannot be read, is no list of ids, or has no id.
    """
    hint = "give a text file with one item id a line"
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    except OSError as error:
        reason = (error.strerror or "it is not readable").lower()
        raise UsageError(f"the list of ids cannot be read: {reason}", where=str(path), hint=hint) from error
    ids = set()
    for number, line in enumerate(lines, 1):
        try:
            text = line.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise UsageError("the line is not UTF-8 text", where=f"{path}:{number}", hint=hint) from error
        if len(text) > LONGEST_ID or "\0" in text:
            raise UsageError("the line is no item id", where=f"{path}:{number}", hint=hint)
        ids.add(text)
    ids.discard("")
    if not ids:
        raise UsageError("the list has no id", where=str(path), hint=hint)
    return frozenset(ids)


def _not_kept(what: str, column: str) -> UsageError:
    """The error for a condition on a column that the dataset does not hold."""
    return UsageError(
        f"no product of this dataset has a {what}",
        hint=f'put "{column}" into data.keep of the recipe, then shoptalk prepare and train again',
    )
