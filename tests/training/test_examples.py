"""Examples as token ids."""

from typing import Any

import pytest

from shoptalk.errors import PromptError
from shoptalk.prompts.encode import IGNORE
from shoptalk.recipe import Prompt
from shoptalk.schema import EvalExample, Example, History, Message
from shoptalk.tasks.generate_ids import list_cases
from shoptalk.training.examples import encode_cases, encode_examples, encode_sequences, join
from tests.words import CATALOGUE, eval_data, prompt_builder, tokenizer

TOKENIZER = tokenizer()


def plain(**settings: object) -> Any:
    """The prompts of generate_title in the style ``plain``."""
    return prompt_builder(Prompt.model_validate({"task": "generate_title", "style": "plain", **settings}), CATALOGUE)


def answers(tokens: object) -> list[str]:
    """The answers of all examples as text."""
    text = TOKENIZER.decode([int(label) for label in tokens.labels if label != IGNORE])
    return [line.strip() for line in text.splitlines()]


def test_every_title_of_a_sequence_but_the_first_is_an_answer() -> None:
    tokens = encode_sequences([History("u", ("R0", "R1", "C2"))], plain(), TOKENIZER)
    assert answers(tokens) == ["Rose soap", "Cedar balm"]


def test_a_long_history_is_divided_into_windows_with_every_item_an_answer_once() -> None:
    items = tuple(CATALOGUE)
    tokens = encode_sequences([History("u", items)], plain(history=4), TOKENIZER)
    assert answers(tokens) == [CATALOGUE[item].title for item in items[1:]]
    assert len(tokens) == -(-(len(items) - 1) // 4)


def test_windows_have_at_most_max_tokens_tokens() -> None:
    items = tuple(CATALOGUE)
    tokens = encode_sequences([History("u", items)], plain(max_tokens=40), TOKENIZER)
    assert answers(tokens) == [CATALOGUE[item].title for item in items[1:]]
    assert tokens.lengths.max() <= 40


def test_cut_examples_are_counted() -> None:
    case = EvalExample(History("u", tuple(CATALOGUE)[:12]), ("M0",))
    tokens = encode_cases([case, eval_data(1)[0]], plain(max_tokens=48), TOKENIZER)
    assert tokens.cut == 1
    assert tokens.lengths.max() <= 48
    assert answers(tokens)[0] == "Mint shampoo"  # the answer is never cut


def test_imported_rows_are_never_cut() -> None:
    rows = [Example((Message("system", "Say it"), Message("assistant", "word " * 100)))]
    with pytest.raises(PromptError, match="example 1 has"):
        encode_examples(rows, "alpaca", TOKENIZER, 64, where="rows.json")


def test_sets_are_joined_end_to_end() -> None:
    first, second = (encode_cases(eval_data(2, seed), plain(), TOKENIZER) for seed in (0, 1))
    joined = join([first, second])
    assert joined.lengths.tolist() == [*first.lengths, *second.lengths]
    assert joined.ids.tolist() == [*first.ids, *second.ids]


def test_targets_of_list_cases_are_the_next_ten_training_items() -> None:
    items = tuple(CATALOGUE)[:13]
    every = list(list_cases([History("u", items), History("v", items[:1])], every=True))
    assert [case.history.items for case in every] == [items[:index] for index in range(1, 13)]
    assert [case.targets for case in every] == [items[index : index + 10] for index in range(1, 13)]
    (last,) = list_cases([History("u", items)], every=False)
    assert (last.history.items, last.targets) == (items[:3], items[3:])
    (short,) = list_cases([History("u", items[:4], ("a", "b", "c", "d"))], every=False)
    assert (short.history.items, short.history.reviews, short.targets) == (items[:1], ("a",), items[1:4])
