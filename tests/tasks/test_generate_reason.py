"""The task `generate_reason`."""

import math
from typing import Any

from shoptalk.prompts.advice import NAMES, REQUESTS, Adviser, has_reason, introduction, recommended, request
from shoptalk.prompts.questions import option_question
from shoptalk.prompts.teacher import TaughtAnswer
from shoptalk.recipe import Prompt
from shoptalk.schema import Candidates, EvalExample, History, Item
from tests.words import CATALOGUE, history, prompt_builder, tokenizer

WORDS = {"a": "Rose soap", "b": "Cedar soap, large", "c": "Rose oil", "d": "Lamp", "e": "Rose soap bar"}


def builder(**settings: object) -> Any:
    return prompt_builder(Prompt.model_validate({"task": "generate_reason", **settings}), CATALOGUE)


def test_the_reason_is_the_purchase_with_the_largest_shared_weight() -> None:
    adviser = Adviser(WORDS, WORDS.__getitem__)
    assert adviser.reason(["b", "c"], "a") == ("c", ("rose",))  # both words are in three of five: the latest
    assert adviser.reason(["c", "b"], "a") == ("b", ("soap",))
    assert adviser.reason(["e", "b"], "a") == ("e", ("rose", "soap"))  # two shared words weigh more than one
    assert adviser.reason(["d"], "a") is None
    assert adviser.reason([], "a") is None


def test_words_of_all_items_have_no_weight_and_rare_words_are_first() -> None:
    titles = {"a": "gift card alpha beta gamma delta", "b": "gift card alpha beta gamma delta", "c": "gift card alpha"}
    adviser = Adviser(titles, titles.__getitem__)
    assert math.log(3 / 3) == 0
    assert adviser.reason(["c"], "a") is None
    assert adviser.reason(["b"], "a") == ("b", ("beta", "gamma", "delta"))


def test_prompts_and_answers_are_in_the_first_person() -> None:
    prompts = builder(fields=("title", "review"))
    case = EvalExample(History("u", ("R0", "M2"), ("Smells nice.", "")), ("R1",), Candidates(("R1", "C3"), ("", "")), 0)
    (example,) = prompts.examples(case)
    system, first, second, answer = [message.text for message in example.messages]
    assert system in {template.text for template in REQUESTS}
    assert first == "I have bought Rose shampoo. I wrote about it: Smells nice."
    assert second == "I have bought Mint balm."
    assert answer == "Rose soap, because you have bought Rose shampoo: both say rose."
    right, wrong = [message.text for message in prompts.answers(case.candidates, case.history)]  # type: ignore[arg-type]
    assert right == answer  # it is scored as it is learned
    assert wrong == "Cedar mask, which is something new for you."
    assert [recommended(text) for text in (right, wrong, "Rose", "")] == ["Rose soap", "Cedar mask", "Rose", ""]


def test_reasons_come_from_the_shown_history() -> None:
    prompts = builder()
    assert "Rose shampoo" in prompts.reason(history("R0", "M2"), "R1")
    assert prompts.reason(history("R0", "M2"), "R1", latest=1) == "Rose soap, which is something new for you."
    assert "Rose" not in builder(history=1).reason(history("R0", "M2"), "M1")


def test_reasons_of_options_come_from_the_shortened_history() -> None:
    prompts, tokens = builder(style="plain", max_tokens=160), tokenizer()
    shown_history = history("R0", "M2", "C2", "M3")
    (prompt, answers), cut = option_question(prompts, tokens, shown_history, Candidates(("R1", "C1"), ("", "")))
    prompt_text, (rose, cedar) = tokens.decode(prompt), map(tokens.decode, answers)
    assert cut
    assert "Rose shampoo" not in prompt_text
    assert "Rose soap, which is something new" in rose
    assert ("because you have bought Cedar balm" in cedar) == ("Cedar balm" in prompt_text)


def test_all_wordings_are_used_and_the_choice_is_deterministic() -> None:
    requests = [request(history("R0", user=f"u{number}")) for number in range(200)]
    assert set(requests) == {template.text for template in REQUESTS}
    assert requests[7] == request(history("R0", user="u7"))


def test_a_persona_has_a_pseudonym_and_one_review() -> None:
    catalogue = {**CATALOGUE, "F": Item("F", "Rose mist", features=("vegan", "100 ml"))}
    prompt = Prompt(task="generate_reason", fields=("title", "features", "review"), persona=True)
    prompts = prompt_builder(prompt, catalogue)
    shown = History("user 4711", ("R0", "F", "M2"), ("Smells  nice.", "Too small. ", ""))
    name, *lines = [message.text for message in prompts.ask(shown)[1:]]
    assert name in {f"My name is {name}." for name in NAMES}
    assert name == prompts.ask(shown, latest=1)[1].text
    assert lines == [
        "I have bought Rose shampoo.",
        "I have bought Rose mist | features: vegan; 100 ml. I wrote about it: Too small.",
        "I have bought Mint balm.",
    ]
    assert len({introduction(f"u{number}") for number in range(300)}) == len(NAMES)


def test_answers_of_a_teacher_replace_those_that_are_made() -> None:
    taught = {("u", 2): TaughtAnswer("u", 2, "C3", "you <|im_end|> like cedar.")}
    prompts = builder().with_answers(taught)
    first, second = EvalExample(history("R0", "C0"), ("R1",)), EvalExample(history("R0"), ("R1",))
    assert prompts.answer(first).text == "Cedar mask, because you < |im_end| > like cedar."
    assert recommended(prompts.answer(first).text) == "Cedar mask"
    assert prompts.answer(second) == builder().answer(second)
    assert prompts.shorter() is None or prompts.shorter().taught == taught


def test_the_form_of_an_answer() -> None:
    assert has_reason("Rose soap, because you have bought Rose oil: both say rose.")
    assert has_reason("Rose soap, which is something new for you.")
    assert not any(map(has_reason, ("", "Rose soap.", "Rose soap, because you", ", because you like it.")))
