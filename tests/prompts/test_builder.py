"""Questions and answers as messages."""

from typing import Any

import pytest

from shoptalk.errors import PromptError
from shoptalk.recipe import Prompt
from shoptalk.schema import Candidates, History, Item
from tests.words import CATALOGUE, eval_data, history, prompt_builder

OPTIONS = Candidates(("R1", "C1"), ("Rose soap", "Cedar soap"))


def small_builder(**settings: object) -> Any:
    """The prompts of a section ``[prompt]`` for the small catalogue."""
    return prompt_builder(Prompt.model_validate(settings), CATALOGUE)


def lines(messages: list) -> list[str]:
    """The texts of the user messages."""
    return [message.text for message in messages if message.role == "user"]


def test_the_answer_is_the_same_in_training_and_scoring() -> None:
    for settings in (
        {"task": "generate_title"},
        {"task": "multiple_choice"},
        {"task": "multiple_choice", "answer": "letter"},
    ):
        builder = small_builder(**settings)
        case = eval_data(1)[0]
        assert builder.examples(case)[0].messages[-1] == builder.answers(case.candidates, case.history)[case.answer]


def test_all_fields_are_in_the_history_and_none_in_the_options() -> None:
    catalogue = {"a": Item("a", "Soap", "Rose", ("Care", "Bath"), "Smells\nnice"), "b": Item("b", "Comb")}
    fields = ("title", "brand", "categories", "description", "review")
    builder = prompt_builder(Prompt(task="multiple_choice", fields=fields), catalogue)
    question = builder.ask(History("u", ("a", "b"), ("loved it", "")), Candidates(("a", "b"), ("Soap", "Comb")))
    shown = "Soap | brand: Rose | categories: Care > Bath | description: Smells nice | review: loved it"
    assert lines(question) == [shown, "Comb", "Options:", "A) Soap", "B) Comb"]


def test_only_the_latest_items_are_shown() -> None:
    builder = small_builder(task="generate_title", history=2)
    assert lines(builder.ask(history("R0", "R1", "R2"))) == ["Rose soap", "Rose balm"]
    assert lines(builder.ask(history("R0", "R1", "R2"), latest=1)) == ["Rose balm"]


def test_the_user_token_precedes_the_history() -> None:
    builder = prompt_builder(Prompt(task="generate_title", style="plain", history=1), CATALOGUE, users=["ann", "a|>b"])
    bought = ("R0", "R1")
    assert lines(builder.ask(History("ann", bought))) == ["<|user_ann|>", "Rose soap"]
    assert lines(builder.ask(History("a|>b", bought))) == ["<|user_a|>b|>", "Rose soap"]
    assert lines(builder.ask(History("bob", bought))) == ["Rose soap"]  # without a token
    sequence = builder.sequence(History("ann", bought)).messages
    assert [(message.role, message.text) for message in sequence[1:]] == [
        ("user", "<|user_ann|>"),
        ("user", "Rose shampoo"),
        ("assistant", "Rose soap"),
    ]


def test_an_unknown_field_to_shorten_is_named() -> None:
    with pytest.raises(PromptError, match=r"unknown field 'category' to shorten: choose one of title, brand"):
        prompt_builder(Prompt(task="next_item"), CATALOGUE).shorten("category", "Tools", "A1")
