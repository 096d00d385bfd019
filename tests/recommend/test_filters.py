"""Filters: each condition alone, all together, and what the catalogue does not know."""

import pytest

from shoptalk.recommend.filters import Filters, Shelf
from shoptalk.schema import Item

SHOP = {
    "a": Item("a", "Rose shampoo", categories=("Hair", "Care"), price=4.0),
    "b": Item("b", "Rose soap", categories=("Care",), price=2.0),
    "c": Item("c", "Comb", categories=("hair",)),
    "d": Item("d", "Mask"),
}
SHELF = Shelf(("a", "b", "c", "d", "unknown"), SHOP)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(categories=("HAIR",)), "ac"),  # in any case of letters
        (Filters(categories=("hair", "care")), "abc"),  # one of them is enough
        (Filters(categories=("none such",)), ""),
        (Filters(highest=2.0), "b"),  # c, d and what is unknown have no price
        (Filters(lowest=2.0), "ab"),
        (Filters(lowest=3.0, highest=5.0), "a"),
        (Filters(allow=("a", "d", "not here")), "ad"),
        (Filters(allow=()), ""),  # an empty list of what is in stock is not the same as none
        (Filters(deny=("a", "not here")), "bcdu"),
        (Filters(categories=("care",), deny=("a",)), "b"),
    ],
)
def test_conditions(filters: Filters, expected: str) -> None:
    mask = SHELF.allowed(filters)
    assert mask is not None
    assert "".join(item[0] for item, kept in zip(SHELF.places, mask, strict=True) if kept) == expected


def test_nothing_asked_for_costs_nothing() -> None:
    assert SHELF.allowed(Filters()) is None
