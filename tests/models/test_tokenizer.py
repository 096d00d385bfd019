"""Tokenizers: the one that is trained here, and what all of them must do."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptalk.errors import ModelError
from shoptalk.models.tokenizer import load_tokenizer
from shoptalk.schema import ITEM_OPENS
from tests.words import TITLES, tokenizer

TOKENS = tokenizer()


@given(st.text(max_size=40))
def test_every_text_comes_back(text: str) -> None:
    calm = " ".join(text.encode("utf-8", "ignore").decode().split())
    if not any(token in calm for token in TOKENS.control):
        assert TOKENS.decode(TOKENS.encode(calm)).strip() == calm.strip()


def test_training_again_gives_the_same() -> None:
    assert [TOKENS.encode(title) for title in TITLES] == [tokenizer().encode(title) for title in TITLES]


def test_a_chat_ends_where_the_assistant_begins() -> None:
    assert TOKENS.chat("What next?") == "<|user|>\nWhat next?<|end|>\n<|assistant|>\n"


def test_control_tokens_are_known() -> None:
    assert {"<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"} <= set(TOKENS.control)


def test_item_tokens_are_one_token_each_and_survive_saving(tmp_path: Path) -> None:
    tokens = tokenizer()
    odd = ["B00", "B 01", "täg|x", "a<|b"]
    first = tokens.add_names(ITEM_OPENS, odd)[0]
    tokens.save(tmp_path)
    for each in (tokens, load_tokenizer(str(tmp_path))):
        ids = [each.encode(f"<|item_{name}|>") for name in odd]
        assert ids == [[first + place] for place in range(len(odd))]
        assert not any("<|item_" in text for text in each.control)


def test_an_item_twice_is_refused() -> None:
    tokens = tokenizer()
    with pytest.raises(ModelError, match="1 of 2"):
        tokens.add_names(ITEM_OPENS, ["a", "a"])
