"""Tokenizers: the one that is trained here, and what all of them must do."""

from hypothesis import given
from hypothesis import strategies as st

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
