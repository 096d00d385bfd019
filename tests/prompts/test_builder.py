"""What is asked and answered."""

from typing import Any

import pytest

from shoptalk.errors import PromptError
from shoptalk.recipe import Prompt
from shoptalk.schema import Candidates, History, Item
from tests.words import CATALOGUE, eval_data, history, prompt_builder

OPTIONS = Candidates(("R1", "C1"), ("Rose soap", "Cedar soap"))


def builder(**settings: object) -> Any:
    return prompt_builder(Prompt.model_validate(settings), CATALOGUE)


def lines(messages: list) -> list[str]:
    return [message.text for message in messages if message.role == "user"]


def test_the_title_is_learned_as_it_is_scored() -> None:
    for settings in (
        {"task": "generate_title"},
        {"task": "multiple_choice"},
        {"task": "multiple_choice", "answer": "letter"},
    ):
        words = builder(**settings)
        case = eval_data(1)[0]
        assert words.examples(case)[0].messages[-1] == words.answers(case.candidates, case.history)[case.answer]


def test_all_fields_are_told_in_the_history_and_none_in_the_options() -> None:
    catalogue = {"a": Item("a", "Soap", "Rose", ("Care", "Bath"), "Smells\nnice"), "b": Item("b", "Comb")}
    fields = ("title", "brand", "categories", "description", "review")
    words = prompt_builder(Prompt(task="multiple_choice", fields=fields), catalogue)
    asked = words.ask(History("u", ("a", "b"), ("loved it", "")), Candidates(("a", "b"), ("Soap", "Comb")))
    shown = "Soap | brand: Rose | categories: Care > Bath | description: Smells nice | review: loved it"
    assert lines(asked) == [shown, "Comb", "Options:", "A) Soap", "B) Comb"]


def test_only_the_latest_are_told() -> None:
    words = builder(task="generate_title", history=2)
    assert lines(words.ask(history("R0", "R1", "R2"))) == ["Rose soap", "Rose balm"]
    assert lines(words.ask(history("R0", "R1", "R2"), latest=1)) == ["Rose balm"]


def test_who_it_is_comes_before_the_history() -> None:
    words = prompt_builder(Prompt(task="generate_title", style="plain", history=1), CATALOGUE, users=["ann", "a|>b"])
    bought = ("R0", "R1")
    assert lines(words.ask(History("ann", bought))) == ["<|user_ann|>", "Rose soap"]
    assert lines(words.ask(History("a|>b", bought))) == ["<|user_a|>b|>", "Rose soap"]
    assert lines(words.ask(History("bob", bought))) == ["Rose soap"]  # not met in training: no token
    sequence = words.sequence(History("ann", bought)).messages
    assert [(message.role, message.text) for message in sequence[1:]] == [
        ("user", "<|user_ann|>"),
        ("user", "Rose shampoo"),
        ("assistant", "Rose soap"),
    ]


def test_an_unknown_field_to_shorten_is_named() -> None:
    with pytest.raises(PromptError, match=r"unknown field 'category' to shorten: choose one of title, brand"):
        prompt_builder(Prompt(task="next_item"), CATALOGUE).shorten("category", "Tools", "A1")
