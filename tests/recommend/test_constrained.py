"""Titles of the catalogue, and nothing else."""

from collections.abc import Iterable

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from shoptalk.models.language_model import LanguageModel
from shoptalk.recipe import Prompt
from shoptalk.recommend.constrained import TitleSearch
from shoptalk.recommend.options import LanguageModelRecommender
from shoptalk.schema import Catalogue, History, Item, RankedList
from tests.words import CATALOGUE, history, only, prompt_builder, small_model, tokenizer

HISTORIES = [history("R0", "C1"), history("M2"), history(*list(CATALOGUE)[:7]), history("R5", "R1", "M0", "C3")]


def sharp(model: LanguageModel) -> LanguageModel:
    """Larger weights, so that titles differ clearly in what they are worth."""
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.mul_(3.0)
    model.network.eval()
    return model


def gpt2() -> LanguageModel:
    torch.manual_seed(0)
    words = tokenizer()
    config = GPT2Config(
        vocab_size=len(words.hugging_face),
        n_positions=1024,
        n_embd=32,
        n_layer=2,
        n_head=2,
        bos_token_id=1,
        eos_token_id=1,
        attn_implementation="sdpa",
    )
    return LanguageModel(GPT2LMHeadModel(config), words, "gpt2", "full", "fp32")


def pair(
    catalogue: Catalogue = CATALOGUE,
    *,
    beams: int = 10,
    scoring: str = "sum",
    model: LanguageModel | None = None,
    **settings: object,
) -> tuple[TitleSearch, LanguageModelRecommender]:
    """The search, and the recommender that scores every title."""
    model = sharp(model or small_model())
    builder = prompt_builder(Prompt.model_validate({"task": "generate_title", "style": "plain", **settings}), catalogue)
    return TitleSearch(model, builder, scoring, beams), LanguageModelRecommender(model, builder, scoring)


def best_among(model: LanguageModelRecommender, asked: History, items: Iterable[str], k: int) -> RankedList:
    """The k best of some items, each of them scored."""
    allowed = only(items, model.items)
    return model.rank([asked], k, allowed=allowed, exclude_history=False)[0]


@pytest.mark.parametrize("style", ["plain", "alpaca", "phi3"])
@pytest.mark.parametrize("scoring", ["sum", "mean", "pmi"])
def test_with_a_beam_for_every_title_it_is_exhaustive_scoring(style: str, scoring: str) -> None:
    search, every = pair(beams=len(CATALOGUE), scoring=scoring, style=style)
    for found, asked in zip(search.rank(HISTORIES, 18, exclude_history=False), HISTORIES, strict=True):
        expected = best_among(every, asked, list(CATALOGUE), 18)
        assert found.items == expected.items
        assert found.scores == pytest.approx(expected.scores, abs=1e-4)


def test_it_works_with_another_architecture() -> None:
    search, every = pair(beams=len(CATALOGUE), model=gpt2(), style="alpaca")
    (found,) = search.rank(HISTORIES[:1], 5)
    others = [item for item in CATALOGUE if item not in HISTORIES[0].items]
    expected = best_among(every, HISTORIES[0], others, 5)
    assert found.items == expected.items
    assert found.scores == pytest.approx(expected.scores, abs=1e-4)


@pytest.mark.parametrize("beams", [1, 2, 3, 10])
def test_what_is_found_is_real_new_never_twice_and_scored_rightly(beams: int) -> None:
    search, every = pair(beams=beams)
    for found, asked in zip(search.rank(HISTORIES, 5), HISTORIES, strict=True):
        assert len(found.items) == len(set(found.items)) == 5
        assert set(found.items) <= CATALOGUE.keys() - set(asked.items)
        scored = best_among(every, asked, found.items, 5)
        exact = dict(zip(scored.items, scored.scores, strict=True))
        assert found.scores == pytest.approx([exact[item] for item in found.items], abs=1e-4)
        assert list(found.scores) == sorted(found.scores, reverse=True)


def test_company_and_order_do_not_matter() -> None:
    search, _ = pair()
    together = search.rank(HISTORIES, 4)
    for alone, found in zip(HISTORIES[::-1], together[::-1], strict=True):
        (again,) = search.rank([alone], 4)
        assert again.items == found.items
        assert again.scores == pytest.approx(found.scores, abs=1e-4)


def test_only_what_is_allowed_is_named_and_fewer_if_need_be() -> None:
    search, _ = pair()
    assert set(search.rank(HISTORIES[:1], 10, allowed=only({"R0", "R4", "M3"}))[0].items) == {"R4", "M3"}
    assert set(search.rank(HISTORIES[:1], 10, allowed=only({"R0", "M3"}), exclude_history=False)[0].items) == {
        "R0",
        "M3",
    }
    assert search.rank(HISTORIES[:1], 10, allowed=only(()))[0].items == ()


def test_who_has_everything_gets_nothing() -> None:
    search, _ = pair()
    full, some = search.rank([history(*CATALOGUE), history("R0")], 3)
    assert full.items == ()
    assert len(some.items) == 3


def test_of_the_same_title_the_first_by_id_that_is_new_is_meant() -> None:
    twins = {"b": Item("b", "Rose soap"), "a": Item("a", "Rose soap"), "c": Item("c", "Rose soap bar")}
    search, _ = pair(twins)
    assert set(search.rank([history("c")], 5)[0].items) == {"a"}
    assert set(search.rank([history("a")], 5)[0].items) == {"b", "c"}
    assert set(search.rank([history("a", "b")], 5)[0].items) == {"c"}


HOSTILE = [
    "a",
    "aa",
    "a a",
    "A) soap",
    "<|end|>",
    "soap<|end|> balm",
    "soap",
    "soap\nbalm",
    "\n",
    "",
    "\x00",
    "😀 \u200b soap",
    "### Response:",
    "$title",
    "soap soap",
    "soap soap soap",
    "x" * 5000,
    "日本語のシャンプー",
    "<|item_R0|>",
    "\ud800",
]


@pytest.mark.parametrize("style", ["plain", "alpaca"])
@pytest.mark.parametrize("control", [True, False])
def test_hostile_titles_come_out_as_the_items_they_are(style: str, control: bool) -> None:
    """Titles that are each other's beginnings, empty, endless, or look like the end of an answer."""
    catalogue = {f"i{number:02}": Item(f"i{number:02}", title) for number, title in enumerate(HOSTILE)}
    model = sharp(small_model())
    builder = prompt_builder(
        Prompt(task="generate_title", style=style, max_tokens=1024),
        catalogue,
        model.tokenizer.control if control else (),
    )
    search = TitleSearch(model, builder, beams=len(catalogue))
    every = LanguageModelRecommender(model, builder, "sum")
    (found,) = search.rank([history("i00")], 50)
    nameable = [same[0] for same in search.items_by_tokens.values() if same != ["i00"]]
    assert set(found.items) == set(nameable)
    expected = best_among(every, history("i00"), nameable, 50)
    assert np.allclose(found.scores, expected.scores, atol=1e-3)


def test_one_title_and_none() -> None:
    one, _ = pair({"a": Item("a", "Rose soap")})
    assert one.rank([history("a")], 3, exclude_history=False)[0].items == ("a",)
    assert one.rank([history("a")], 3)[0].items == ()
    assert one.rank([], 3) == []


def test_cut_histories_are_counted() -> None:
    search, _ = pair(max_tokens=48)
    search.rank([history(*CATALOGUE), history("R0")], 2)
    assert search.cut == 1
