"""Templates are strict."""

import pytest

from shoptalk.errors import PromptError
from shoptalk.prompts.template import Template


def test_slots_are_filled_and_values_are_not_interpreted() -> None:
    assert Template("t", "$a and $b").render(a="$b", b="2") == "$b and 2"


def test_a_missing_value_is_named() -> None:
    with pytest.raises(PromptError, match=r"'t' needs \['b'\]"):
        Template("t", "$a and $b").render(a="1")


def test_a_value_without_a_slot_is_named() -> None:
    with pytest.raises(PromptError, match=r"no slot for \['c'\]"):
        Template("t", "$a").render(a="1", c="2")
