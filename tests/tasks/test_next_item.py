"""The task `next_item`: its prompts, its recipes and its training examples."""

from typing import Any

import pytest

from shoptalk.errors import RecipeError
from shoptalk.recipe import Prompt, Recipe, parse_recipe
from shoptalk.schema import EvalExample, History, Split
from shoptalk.tasks import check_recipe, get_task
from shoptalk.training.examples import TokenSet
from tests.models.test_items import model_with_items
from tests.words import CATALOGUE, history, prompt_builder

HISTORIES = [history("R0", "R1", "R2", user="u"), history("C0", "C1", user="v")]


def recipe_of(tasks: tuple[str, ...] = ("next",), style: str = "plain", **sections: Any) -> Recipe:
    prompt = {"task": "next_item", "style": style, "fields": ["token", "title"], "max_tokens": 256}
    data = {"source": "table", "interactions": "purchases.csv"}
    return parse_recipe({"data": data, "prompt": prompt, "items": {"tasks": tasks}, **sections})


def training_examples(tasks: tuple[str, ...]) -> tuple[TokenSet, Any]:
    """The training examples of two histories, and the model."""
    model = model_with_items()
    assert model.items is not None
    recipe = recipe_of(tasks)
    prompts = prompt_builder(recipe.prompt, CATALOGUE, model.tokenizer.control)
    cases = [
        EvalExample(History(whole_history.user_id, whole_history.items[:-1]), whole_history.items[-1:])
        for whole_history in HISTORIES
    ]
    split = Split(HISTORIES, cases, (), ())
    data = get_task("next_item").training_data(recipe, split, (), prompts, model)
    assert data.negatives == recipe.items.negatives
    return data.train, model


def answers(train: TokenSet, number: int) -> list[int]:
    start = 0 if number == 0 else int(train.ends[number - 1])
    return [label for label in train.labels[start : int(train.ends[number])].tolist() if label >= 0]


def test_only_items_are_labels_by_default() -> None:
    train, model = training_examples(("next",))
    assert len(train) == len(HISTORIES)
    first = model.items.first
    order = list(model.items.ids)
    # In a sequence each item but the first is an answer: R1, R2 and C1.
    assert answers(train, 0) == [first + order.index("R1"), first + order.index("R2")]
    assert answers(train, 1) == [first + order.index("C1")]


def test_titles_are_labels_with_next_title() -> None:
    items_only, model = training_examples(("next",))
    with_titles, _ = training_examples(("next", "next_title"))
    assert len(with_titles) == len(items_only)
    assert with_titles.ids.tolist() == items_only.ids.tolist()
    title_labels = [label for label in with_titles.labels.tolist() if 0 <= label < model.items.first]
    assert title_labels
    assert not [label for label in items_only.labels.tolist() if 0 <= label < model.items.first]


@pytest.mark.parametrize("kinds", [("title_of",), ("item_of",), ("title_of", "item_of")])
def test_facts_are_added_for_every_item_that_was_bought(kinds: tuple[str, ...]) -> None:
    train, model = training_examples(("next", *kinds))
    seen = sorted(model.items.seen)
    assert len(train) == len(HISTORIES) + len(kinds) * len(seen)
    items = {model.items.first + index: item for index, item in enumerate(model.items.ids)}
    number = len(HISTORIES)
    for kind in kinds:
        for item in seen:
            answer = answers(train, number)
            number += 1
            if kind == "item_of":
                assert items[answer[0]] == item
            else:  # tokens of the title alone
                assert CATALOGUE[item].title in model.tokenizer.decode(answer)


def test_facts_are_a_question_and_an_answer_in_both_directions() -> None:
    prompts = prompt_builder(Prompt(task="next_item", style="plain"))
    texts = [[message.text for message in fact.messages] for fact in prompts.facts(("title_of", "item_of"), ["R0"])]
    assert texts == [["<|item_R0|>", "Rose shampoo"], ["Rose shampoo", "<|item_R0|>"]]


@pytest.mark.parametrize(
    ("style", "fields", "expected"),
    [
        ("plain", ("title",), True),
        ("bare", ("title",), True),
        ("plain", ("title", "review"), False),
        ("alpaca", ("title",), False),
    ],
)
def test_in_sequence_needs_lines_without_reviews(style: str, fields: tuple[str, ...], expected: bool) -> None:
    prompt = Prompt.model_validate({"task": "next_item", "style": style, "fields": fields})
    assert prompt_builder(prompt).in_sequence is expected


def test_recipes_that_fit_and_that_do_not() -> None:
    for style in ("bare", "plain", "alpaca"):
        check_recipe(recipe_of(style=style))
    check_recipe(recipe_of(training={"choice_epochs": 1}, candidates={}))
    with pytest.raises(RecipeError, match=r"choice_epochs needs a \[candidates\] section"):
        check_recipe(recipe_of(training={"choice_epochs": 1}))
    check_recipe(recipe_of(), "ndcg@10")
    with pytest.raises(RecipeError, match='sweep.metric = "accuracy" is not measured'):
        check_recipe(recipe_of(), "accuracy")
