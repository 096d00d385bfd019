"""Tokens and labels; fitting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptalk.errors import PromptError
from shoptalk.prompts.encode import IGNORE, encode, encode_question, fit
from shoptalk.prompts.questions import ending
from shoptalk.recipe import Prompt
from shoptalk.schema import Message
from tests.words import CATALOGUE, eval_data, prompt_builder, tokenizer

TOKENIZER = tokenizer()
STYLES = ["alpaca", "phi3", "chat", "plain"]


@pytest.mark.parametrize("style", STYLES)
def test_only_the_answer_and_its_end_are_learned(style: str) -> None:
    messages = [Message("system", "Choose"), Message("user", "Rose soap"), Message("assistant", "Mint comb")]
    encoded = encode(style, messages, TOKENIZER)
    learned = [label for label in encoded.labels if label != IGNORE]
    end = "\n" if style == "plain" else TOKENIZER.end
    assert learned == TOKENIZER.encode("Mint comb") + TOKENIZER.encode(end)
    assert all(label in (IGNORE, token) for token, label in zip(encoded.ids, encoded.labels, strict=True))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "settings",
    [
        {"task": "generate_title"},
        {"task": "multiple_choice"},
        {"task": "multiple_choice", "answer": "letter"},
        {"task": "generate_reason"},
    ],
)
def test_training_and_scoring_use_the_same_tokens(style: str, settings: dict) -> None:
    builder = prompt_builder(Prompt.model_validate({"style": style, **settings}), CATALOGUE)
    for case in eval_data(5):
        example = encode(style, builder.examples(case)[0].messages, TOKENIZER)
        question = builder.ask(case.history, case.candidates)
        prompt, answers = encode_question(style, question, builder.answers(case.candidates, case.history), TOKENIZER)
        assert prompt + answers[case.answer] == example.ids
        assert example.labels == [IGNORE] * len(prompt) + answers[case.answer]


def test_the_end_of_turn_of_a_chat_template_closes_answers_in_training_and_scoring() -> None:
    tokens = tokenizer()
    tokens.hugging_face.add_tokens(["<end_of_turn>"], special_tokens=True)
    tokens.hugging_face.chat_template = (
        "{% for message in messages %}{{ message['role'] + '\n' + message['content'] + '<end_of_turn>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'model\n' }}{% endif %}"
    )
    end = tokens.hugging_face.convert_tokens_to_ids("<end_of_turn>")
    question, answer = [Message("user", "Rose soap")], Message("assistant", "Mint comb")
    learned = [label for label in encode("chat", [*question, answer], tokens).labels if label != IGNORE]
    assert learned == [*tokens.encode("Mint comb"), end]
    assert encode_question("chat", question, [answer], tokens)[1] == [learned]
    assert ending(prompt_builder(Prompt(style="chat"), CATALOGUE), tokens)[-1] == end  # where generation stops


def test_phi3_answers_end_with_the_end_of_turn_where_the_tokenizer_has_it() -> None:
    tokens = tokenizer()
    tokens.end = "<|pad|>"  # an end of text that is not the end of a turn, as that of Phi-3
    assert encode("phi3", [Message("assistant", "Yes")], tokens).ids[-1:] == tokens.encode("<|end|>")
    assert encode("alpaca", [Message("assistant", "Yes")], tokens).ids[-1:] == tokens.encode("<|pad|>")


def test_the_alpaca_format_is_the_published_format() -> None:
    messages = [Message("system", "Do"), Message("user", "one"), Message("user", "two"), Message("assistant", "yes")]
    text = TOKENIZER.hugging_face.decode(encode("alpaca", messages, TOKENIZER).ids)
    assert "### Instruction:\nDo\n\n### Input:\none\ntwo\n\n### Response:\n" in text


@given(st.lists(st.integers(1, 9), max_size=12), st.integers(1, 60), st.integers(0, 5))
def test_the_longest_history_that_fits_is_shown(sizes: list[int], limit: int, fixed_size: int) -> None:
    def build(latest: int) -> list[int]:
        return sizes[len(sizes) - latest :]

    def length(example: list[int]) -> int:
        return fixed_size + sum(example)

    if fixed_size > limit:
        with pytest.raises(PromptError, match="prompt.max_tokens"):
            fit(build, length, len(sizes), limit)
        return
    example, shown = fit(build, length, len(sizes), limit)
    fitting = [n for n in range(len(sizes) + 1) if length(build(n)) <= limit]
    assert shown == max(fitting)
    assert example == build(shown)
