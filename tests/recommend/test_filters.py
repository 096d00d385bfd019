"""Filters: each condition alone, all together, and what the catalogue does not know."""

from pathlib import Path

import pytest

from shoptalk.errors import UsageError
from shoptalk.recommend.filters import LONGEST_ID, Filters, ItemFilterIndex, read_ids
from shoptalk.schema import Item

SHOP = {
    "a": Item("a", "Rose shampoo", categories=("Hair", "Care"), price=4.0),
    "b": Item("b", "Rose soap", categories=("Care",), price=2.0),
    "c": Item("c", "Comb", categories=("hair",)),
    "d": Item("d", "Mask"),
}
FILTER_INDEX = ItemFilterIndex(("a", "b", "c", "d", "unknown"), SHOP)


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
    mask = FILTER_INDEX.allowed(filters)
    assert mask is not None
    assert "".join(item[0] for item, kept in zip(FILTER_INDEX.items, mask, strict=True) if kept) == expected


def test_nothing_asked_for_costs_nothing() -> None:
    assert FILTER_INDEX.allowed(Filters()) is None


@pytest.mark.parametrize(
    ("filters", "says", "hint"),
    [
        (Filters(categories=("Hiar",)), "no product has the category 'Hiar'", "hair"),
        (Filters(lowest=3.0, highest=2.0), "no price is at least 3 and at most 2", ""),
        (Filters(lowest=float("nan")), "not a number", ""),
    ],
)
def test_what_cannot_be_answered_is_refused(filters: Filters, says: str, hint: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        FILTER_INDEX.check(filters)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("filters", "key"), [(Filters(categories=("hair",)), "categories"), (Filters(highest=9.0), "price")]
)
def test_what_the_dataset_did_not_keep_is_said(filters: Filters, key: str) -> None:
    bare = ItemFilterIndex(("d",), {"d": SHOP["d"]})
    with pytest.raises(UsageError) as caught:
        bare.check(filters)
    assert f'"{key}" into data.keep' in str(caught.value)
    bare.check(Filters(allow=("d",), deny=("x",)))  # lists need nothing that is kept


def test_ids_are_read_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "ids"
    path.write_bytes("\ufeffa\r\n\n  b c \nä\na".encode())
    assert read_ids(path) == {"a", "b c", "ä"}


@pytest.mark.parametrize(
    ("content", "where", "says"),
    [
        (b"", "ids", "has no id"),
        (b"\n \n", "ids", "has no id"),
        (b"a\nb\xff\n", "ids:2", "not UTF-8"),
        (b"a\n\nb\0c\n", "ids:3", "no item id"),
        (b"a" * (LONGEST_ID + 1), "ids:1", "no item id"),
        (None, "ids", "no such file"),
    ],
)
def test_a_file_that_is_no_list_of_ids(tmp_path: Path, content: bytes | None, where: str, says: str) -> None:
    path = tmp_path / "ids"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=says) as caught:
        read_ids(path)
    assert caught.value.where == str(tmp_path / where)
