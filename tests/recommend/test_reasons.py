"""Written reasons: of the purchase that moved most, chosen by support or a language model, dropped where false."""

from typing import Any

import pytest

from shoptalk.prompts.encode import encode_question
from shoptalk.recipe import Prompt
from shoptalk.recommend.choose_answer import choose_answers
from shoptalk.recommend.log_probabilities import log_probabilities
from shoptalk.recommend.options import LanguageModelRecommender
from shoptalk.recommend.reasons import ReasonWriter
from shoptalk.schema import Message
from tests.recommend.shop_with_reasons import SHOP, effects, history, purchases
from tests.recommend.test_constrained import sharp
from tests.words import CATALOGUE, prompt_builder, small_model

ITEMS = ["oil", "lamp", "comb", "plain"]
MOVED = [effects(soap=0.5, lamp=0.1), effects(soap=0.5, lamp=0.1), effects(soap=-0.1, lamp=-0.5), effects(soap=0.5)]


def test_the_strongest_statement_about_the_purchase_that_moved_most() -> None:
    written = ReasonWriter(SHOP, purchases()).write(object(), history("lamp", "soap"), ITEMS, MOVED)
    assert written == [
        "Because you have bought “Rose soap”: both are of the brand “lumen”.",
        "Because you have bought “Rose soap”: 4 customers bought this product after it.",
        None,  # no purchase raised the score
        None,  # nothing is shared
    ]


def test_rounding_errors_are_no_effects() -> None:
    writer = ReasonWriter(SHOP, purchases())
    assert writer.write(object(), history("soap"), ["oil"], [effects(soap=1e-6)]) == [None]
    assert writer.write(object(), history("soap"), ["oil"], [[]]) == [None]


def test_a_sentence_that_the_check_finds_false_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = ReasonWriter(SHOP, purchases())
    monkeypatch.setattr("shoptalk.recommend.reasons.reason_sentence", lambda title, fact: f"Because of “{title}”.")
    drafts = writer.drafts(object(), history("soap"), ITEMS[:1], MOVED[:1])
    assert drafts == ["Because of “Rose soap”."]
    assert writer.write(object(), history("soap"), ITEMS[:1], MOVED[:1]) == [None]


class Chooser:
    """Chooses the last statement, and remembers what it was asked."""

    def title(self, item: str) -> str:
        return SHOP[item].title

    def choose_answers(self, history: object, groups: list[list[str]], candidates: object) -> list[int]:
        self.groups = groups
        return [len(group) - 1 for group in groups]


def test_a_language_model_chooses_among_true_statements_only() -> None:
    chooser: Any = Chooser()
    written = ReasonWriter(SHOP, purchases()).write(chooser, history("lamp", "soap"), ITEMS, MOVED)
    assert written[0] == "Because you have bought “Rose soap”: both are in the category “Care”."
    assert [len(group) for group in chooser.groups] == [3, 1]  # nothing is asked where there is nothing to say
    assert chooser.groups[1] == [
        "Desk lamp, because you have bought Rose soap: 4 customers bought this product after it."
    ]


@pytest.mark.parametrize(("style", "scoring"), [("plain", "sum"), ("alpaca", "mean")])
def test_the_choice_is_the_most_probable_text_of_each_group(style: str, scoring: str) -> None:
    model = sharp(small_model())
    builder = prompt_builder(Prompt.model_validate({"task": "generate_title", "style": style}))
    facts = ["both mention rose", "both are of the brand “Rose”", "3 customers bought this product after it"]
    groups = [[f"{CATALOGUE[item].title}: {fact}" for fact in facts[: 3 - n]] for n, item in enumerate(("R0", "C1"))]
    groups.append(groups[0][1:2])  # a text may be in two groups
    asked = history("R2", "M3")
    chosen = choose_answers(model, builder, asked, groups, scoring=scoring)
    recommender = LanguageModelRecommender(model, builder, scoring)
    assert recommender.choose_answers(asked, groups) == chosen
    prompt = builder.ask(asked)
    for group, choice in zip(groups, chosen, strict=True):
        question = encode_question(style, prompt, [Message("assistant", text) for text in group], model.tokenizer)
        scores = recommender.reduce(log_probabilities(model, [question])[0])
        assert choice == scores.argmax()
