"""The task that says yes or no about one item."""

from typing import Any

import pytest

from shoptalk.errors import PromptError
from shoptalk.recipe import Prompt
from shoptalk.schema import Candidates, EvalExample
from tests.words import CATALOGUE, history, prompt_builder

OPTIONS = Candidates(("R1", "C1"), ("Rose soap", "Cedar soap"))


def builder(**settings: object) -> Any:
    return prompt_builder(Prompt.model_validate({"task": "pointwise", **settings}), CATALOGUE)


def lines(messages: list) -> list[str]:
    return [message.text for message in messages if message.role == "user"]


def test_liking_goes_by_the_options_where_there_are_some_else_by_the_rating() -> None:
    words = builder(task="pointwise")
    stated = [example.messages[-1].text for example in words.examples(EvalExample(history("R0"), ("C1",), OPTIONS, 1))]
    assert stated == ["Yes", "No"]
    for rating, answer in ((4.0, "Yes"), (3.0, "No")):
        (example,) = words.examples(EvalExample(history("R0"), ("C1",), rating=rating))
        assert example.messages[-1].text == answer
    with pytest.raises(PromptError, match="needs ratings"):
        words.examples(EvalExample(history("R0"), ("C1",)))
