"""The task that lists the next ten items."""

from typing import Any

import pytest

from shoptalk.recipe import Prompt, parse_recipe
from shoptalk.schema import LIST_LENGTH, EvalExample, History, Split, item_token
from shoptalk.tasks import get_task
from tests.words import CATALOGUE, history, prompt_builder

ITEMS = list(CATALOGUE)


def builder(**settings: object) -> Any:
    return prompt_builder(Prompt.model_validate({"task": "generate_ids", **settings}), CATALOGUE)


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        ("repeat", ["a", "b", "c", "a", "b", "c", "a", "b", "c", "a"]),
        ("token", ["a", "b", "c", *["none"] * 7]),
        ("none", ["a", "b", "c"]),
    ],
)
def test_shorter_lists_are_padded(padding: str, expected: list[str]) -> None:
    assert builder(padding=padding).id_list(["a", "b", "c"]) == " ".join(f"<|item_{item}|>" for item in expected)


@pytest.mark.parametrize("padding", ["repeat", "token", "none"])
def test_longer_lists_are_cut_at_ten(padding: str) -> None:
    assert builder(padding=padding).id_list(ITEMS) == " ".join(map(item_token, ITEMS[:LIST_LENGTH]))


def test_prompts_show_one_item_with_its_fields_or_a_history() -> None:
    (example,) = builder(history=1, fields=("title", "brand")).examples(EvalExample(history("R0", "M2"), ("C1",)))
    texts = [message.text for message in example.messages]
    assert "bought the product below" in texts[0]
    assert texts[1:-1] == ["Mint balm | brand: Mint"]
    assert texts[-1] == " ".join(["<|item_C1|>"] * 10)
    (long_example,) = builder(history=5).examples(EvalExample(history("R0", "M2"), ("C1",)))
    assert [message.text for message in long_example.messages[1:-1]] == ["Rose shampoo", "Mint balm"]


def test_the_vocabulary_holds_items_and_padding() -> None:
    assert get_task("generate_ids").vocabulary(Prompt(task="generate_ids"), CATALOGUE) == ITEMS
    assert get_task("generate_ids").vocabulary(Prompt(task="generate_ids", padding="token"), CATALOGUE) == [
        *ITEMS,
        "none",
    ]
    assert get_task("generate_title").vocabulary(Prompt(task="generate_title"), CATALOGUE) == []


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("every", [(("R0",), ("M2", "C1")), (("R0", "M2"), ("C1",))]),  # after every purchase but the last
        ("last", [(("R0",), ("M2", "C1"))]),  # once, where all but the first follow
    ],
)
def test_lists_come_from_training_histories_alone(targets: str, expected: list) -> None:
    data = {"source": "table", "interactions": "purchases.csv"}
    recipe = parse_recipe({"data": data, "prompt": {"task": "generate_ids"}, "training": {"targets": targets}})
    later_case = EvalExample(history("R0", "M2", "C1"), ("R5",))
    split = Split([History("u", ("R0", "M2", "C1")), History("v", ("R1",))], [], [later_case], [later_case])
    cases = get_task("generate_ids").train_cases(split, recipe)
    assert [(case.history.items, case.targets) for case in cases] == expected
