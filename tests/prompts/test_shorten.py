"""Limits on the length of titles and other fields, the same in training and scoring."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptalk.errors import PromptError
from shoptalk.prompts.encode import IGNORE
from shoptalk.prompts.questions import fitted_question, open_question, option_question
from shoptalk.prompts.shorten import ShorteningReport, shorten, shortening_lines
from shoptalk.recipe import Prompt
from shoptalk.recommend.pointwise import YES_NO
from shoptalk.schema import Candidates, EvalExample, History, Item
from shoptalk.training.examples import encode_cases, encode_sequences
from tests.words import CATALOGUE, history, prompt_builder, tokenizer

TOKENIZER = tokenizer()
#: Program code in place of a title: nearly every character is a token, those of other scripts are several.
SCRIPT = "if(!\u0935\u0937\u0938){window.\u6f22\u5b57=[{a:1}];}" * 40
LONG_CATALOGUE = {**CATALOGUE, "X": Item("X", SCRIPT, brand=SCRIPT, description=SCRIPT, categories=(SCRIPT,))}
OPTIONS = Candidates(("R1", "X", "C2"), (LONG_CATALOGUE["R1"].title, SCRIPT, LONG_CATALOGUE["C2"].title))


def small_builder(**settings: object) -> Any:
    """The prompts of a section ``[prompt]`` in the style ``plain``, with limits on tokens."""
    return prompt_builder(
        Prompt.model_validate({"style": "plain", **settings}), LONG_CATALOGUE, TOKENIZER.control, (), TOKENIZER.encode
    )


@given(st.text(max_size=60), st.integers(1, 30))
def test_the_longest_beginning_that_fits_is_kept(text: str, tokens: int) -> None:
    short = shorten(text, tokens, str.encode)  # a token for each byte
    assert text.startswith(short)
    assert len(short.encode()) <= max(tokens, len(text[:1].encode()))
    if short != text:
        assert len((short + text[len(short)]).encode()) > tokens or text[len(short)].isspace()


@pytest.mark.parametrize("task", ["multiple_choice", "generate_title", "pointwise", "generate_reason"])
@pytest.mark.parametrize("items", [("R0", "R2"), ("X", "R0"), ("X",)])
def test_prompts_with_a_very_long_title_fit(task: str, items: tuple[str, ...]) -> None:
    builder = small_builder(task=task, max_tokens=256, fields=("title", "brand", "description", "review"))
    user_history = History("u", items, (SCRIPT,) * len(items))
    options = OPTIONS if task in ("multiple_choice", "pointwise") else None
    for targets in ("X", "R1"):
        answer = None if options is None else options.items.index(targets)
        encoded = encode_cases([EvalExample(user_history, (targets,), options, answer, 5.0)], builder, TOKENIZER)
        assert encoded.lengths.max() <= 256
    if task == "pointwise":
        (prompt, answers), _ = fitted_question(
            lambda prompts, latest: prompts.ask_item(user_history, "X", latest=latest),
            lambda *_: YES_NO,
            builder,
            TOKENIZER,
            user_history,
        )
    else:
        (prompt, answers), _ = option_question(builder, TOKENIZER, user_history, OPTIONS)
    assert len(prompt) + max(map(len, answers)) <= 256
    if task in ("generate_title", "generate_reason"):
        assert len(open_question(builder, TOKENIZER, user_history, 20, 2048)[0]) <= 256 - 20
    assert builder.shortened.as_dict()["fields"]["title"]["longest"] == {"item_id": "X", "characters": len(SCRIPT)}


def test_sequences_are_cut_as_well() -> None:
    builder = small_builder(task="generate_title", style="plain", max_tokens=64)
    encoded = encode_sequences([history("R0", "X", "R1", "X")], builder, TOKENIZER)
    assert encoded.lengths.max() <= 64


@pytest.mark.parametrize("right", [0, 1, 2])
@pytest.mark.parametrize("most", [200, 240, 300, 400, 512])
def test_training_and_scoring_cut_answers_in_the_same_way(right: int, most: int) -> None:
    builder = small_builder(task="multiple_choice", max_tokens=most)
    learned = encode_cases([EvalExample(history("R0"), (OPTIONS.items[right],), OPTIONS, right)], builder, TOKENIZER)
    (_, answers), _ = option_question(builder, TOKENIZER, history("R0"), OPTIONS)
    assert [label for label in learned.labels.tolist() if label != IGNORE] == answers[right]


def test_fields_have_at_most_field_tokens_tokens_and_cuts_are_counted() -> None:
    builder = small_builder(field_tokens=5)
    assert len(TOKENIZER.encode(builder.title("X"))) <= 5
    assert SCRIPT.startswith(builder.title("X"))
    assert builder.title("R0") == LONG_CATALOGUE["R0"].title
    report = builder.shortened.as_dict()
    assert report == {
        "fields": {"title": {"items": 1, "longest": {"item_id": "X", "characters": len(SCRIPT)}}},
        "questions": 0,
    }
    assert shortening_lines(report) == [f"1 title cut for the prompt, the longest of X ({len(SCRIPT):,} characters)"]


def test_short_texts_are_not_cut() -> None:
    limited, unlimited = (
        small_builder(task="multiple_choice"),
        prompt_builder(Prompt(task="multiple_choice", style="plain"), LONG_CATALOGUE, TOKENIZER.control),
    )
    options = Candidates(("R1", "C2"), (LONG_CATALOGUE["R1"].title, LONG_CATALOGUE["C2"].title))
    assert limited.ask(history("R0", "M1"), options) == unlimited.ask(history("R0", "M1"), options)
    assert limited.shortened == ShorteningReport()


def test_a_prompt_too_short_for_the_task_is_an_error() -> None:
    builder = small_builder(task="multiple_choice", max_tokens=32)
    with pytest.raises(PromptError, match="prompt.max_tokens is 32"):
        option_question(builder, TOKENIZER, history("R0"), OPTIONS)
