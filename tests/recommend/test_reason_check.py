"""The check refuses planted false reasons of each kind, and accepts the true ones beside them."""

import pytest

from shoptalk.recommend.reason_check import ReasonCheck
from tests.recommend.shop_with_reasons import SHOP, effects, history, purchases

SOAP = "Because you have bought “Rose soap”: "
TRUE = {
    "lamp": "4 customers bought this product after it.",
    "oil": "both are of the brand “Lumen”.",
    "comb": "both are in the category “Care”.",
}


def problem(sentence: str, item: str, **values: float) -> str | None:
    moved = effects(**(values or {"soap": 0.5, "plain": 0.1}))
    return ReasonCheck(SHOP, purchases()).problem(sentence, item, history("plain", "soap"), moved)


@pytest.mark.parametrize(("item", "fact"), TRUE.items())
def test_true_reasons_pass(item: str, fact: str) -> None:
    assert problem(SOAP + fact, item) is None


@pytest.mark.parametrize(
    ("sentence", "item", "wrong"),
    [
        (SOAP + "5 customers bought this product after it.", "lamp", "customers"),  # with one at the same time
        (SOAP + "4 customers bought this product after it.", "comb", "customers"),
        (SOAP + "both are of the brand “Lumen”.", "lamp", "brand"),
        (SOAP + "both are of the brand “Luxor”.", "oil", "brand"),
        (SOAP + "both are in the category “Care”.", "lamp", "category"),
        (SOAP + "both are in the category “Soap”.", "oil", "category"),
        (SOAP + "both mention rose, lavender.", "oil", "words"),
        (SOAP + "both mention mac.", "oil", "words"),  # a part of a word
        ("Because you have bought “Body oil”: both mention rose.", "oil", "purchase"),
        ("Because you have bought “Rose”: both mention rose.", "oil", "purchase"),  # a part of a title
        ("Because you have bought “Nothing shared”: both mention rose.", "oil", "effect"),
        (SOAP + "it is on sale.", "oil", "form"),
        (SOAP + "both mention rose. It is on sale.", "oil", "form"),
        (SOAP + "both mention\nrose.", "oil", "form"),
        ("You will love it.", "oil", "form"),
        ("", "oil", "form"),
    ],
)
def test_false_reasons_of_each_kind_are_refused(sentence: str, item: str, wrong: str) -> None:
    assert problem(sentence, item) == wrong


def test_a_purchase_that_did_not_raise_the_score_is_no_reason() -> None:
    assert problem(SOAP + TRUE["lamp"], "lamp", soap=-0.1, plain=-0.2) == "effect"
    assert problem(SOAP + TRUE["lamp"], "lamp", soap=0.0) == "effect"
