"""Recommendations with a reason."""

import math
from typing import Any

from shoptalk.prompts.advice import REQUESTS, Adviser, recommended, request
from shoptalk.prompts.questions import option_question
from shoptalk.recipe import Prompt
from shoptalk.schema import Candidates, EvalExample, History
from tests.words import CATALOGUE, history, prompt_builder, tokenizer

WORDS = {"a": "Rose soap", "b": "Cedar soap, large", "c": "Rose oil", "d": "Lamp", "e": "Rose soap bar"}


def builder(**settings: object) -> Any:
    return prompt_builder(Prompt.model_validate({"task": "generate_reason", **settings}), CATALOGUE)


def test_the_reason_is_the_purchase_that_shares_the_most_telling_words() -> None:
    adviser = Adviser(WORDS, WORDS.__getitem__)
    assert adviser.reason(["b", "c"], "a") == ("c", ("rose",))  # both words are in three of five: the latest
    assert adviser.reason(["c", "b"], "a") == ("b", ("soap",))
    assert adviser.reason(["e", "b"], "a") == ("e", ("rose", "soap"))  # two words tell more than one
    assert adviser.reason(["d"], "a") is None
    assert adviser.reason([], "a") is None


def test_a_word_of_all_items_tells_nothing_and_rare_words_come_first() -> None:
    words = {"a": "gift card alpha beta gamma delta", "b": "gift card alpha beta gamma delta", "c": "gift card alpha"}
    adviser = Adviser(words, words.__getitem__)
    assert math.log(3 / 3) == 0
    assert adviser.reason(["c"], "a") is None
    assert adviser.reason(["b"], "a") == ("b", ("beta", "gamma", "delta"))


def test_advice_is_asked_for_and_given_in_the_first_person() -> None:
    words = builder(fields=("title", "review"))
    case = EvalExample(History("u", ("R0", "M2"), ("Smells nice.", "")), ("R1",), Candidates(("R1", "C3"), ("", "")), 0)
    (example,) = words.examples(case)
    system, first, second, answer = [message.text for message in example.messages]
    assert system in {template.text for template in REQUESTS}
    assert first == "I have bought Rose shampoo. I wrote about it: Smells nice."
    assert second == "I have bought Mint balm."
    assert answer == "Rose soap, because you have bought Rose shampoo: both say rose."
    right, wrong = [message.text for message in words.answers(case.candidates, case.history)]  # type: ignore[arg-type]
    assert right == answer  # it is scored as it is learned
    assert wrong == "Cedar mask, which is something new for you."
    assert [recommended(text) for text in (right, wrong, "Rose", "")] == ["Rose soap", "Cedar mask", "Rose", ""]


def test_a_reason_is_never_something_that_is_not_told() -> None:
    words = builder()
    assert "Rose shampoo" in words.reason(history("R0", "M2"), "R1")
    assert words.reason(history("R0", "M2"), "R1", latest=1) == "Rose soap, which is something new for you."
    assert "Rose" not in builder(history=1).reason(history("R0", "M2"), "M1")


def test_a_cut_history_is_no_reason_in_any_option() -> None:
    words, tokens = builder(style="plain", max_tokens=160), tokenizer()
    shown_values = history("R0", "M2", "C2", "M3")
    (prompt, answers), cut = option_question(words, tokens, shown_values, Candidates(("R1", "C1"), ("", "")))
    shown, (rose, cedar) = tokens.decode(prompt), map(tokens.decode, answers)
    assert cut
    assert "Rose shampoo" not in shown
    assert "Rose soap, which is something new" in rose
    assert ("because you have bought Cedar balm" in cedar) == ("Cedar balm" in shown)


def test_every_way_of_asking_is_drawn_and_the_same_again() -> None:
    asked = [request(history("R0", user=f"u{number}")) for number in range(200)]
    assert set(asked) == {template.text for template in REQUESTS}
    assert asked[7] == request(history("R0", user="u7"))
