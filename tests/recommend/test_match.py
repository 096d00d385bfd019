"""Typed titles and ids."""

import pytest

from shoptalk.errors import UsageError
from shoptalk.recommend.match import match_items
from shoptalk.schema import Item
from tests.words import CATALOGUE


@pytest.mark.parametrize(
    ("typed", "item"),
    [("R1", "R1"), ("Rose soap", "R1"), ("rose  SOAP!", "R1"), ("rose shampo", "R0"), ("mint  cmb", "M4")],
)
def test_ids_titles_and_near_misses_are_found(typed: str, item: str) -> None:
    assert match_items([typed], CATALOGUE) == [item]


@pytest.mark.parametrize("typed", ["bicycle", "", "!!!", "\x00", "x" * 10_000])
def test_what_fits_nothing_gets_suggestions(typed: str) -> None:
    with pytest.raises(UsageError, match="no product fits") as caught:
        match_items([typed], CATALOGUE)
    assert caught.value.hint


def test_of_two_that_fit_equally_neither_is_taken() -> None:
    with pytest.raises(UsageError, match="several products fit"):
        match_items(["soap"], CATALOGUE)


def test_of_the_same_title_the_first_id_is_taken() -> None:
    assert match_items(["comb"], {"b": Item("b", "Comb"), "a": Item("a", "comb")}) == ["a"]
