"""From messages to token ids: the one encoder for training, scoring and serving."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from shoptalk.errors import PromptError
from shoptalk.prompts.styles import Chat, pieces
from shoptalk.schema import Message

T = TypeVar("T")

#: The label that cross-entropy skips.
IGNORE = -100


class Tokenizer(Chat, Protocol):
    """What the encoder needs of a tokenizer (see ``models/tokenizer.py``)."""

    start: Sequence[int]

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without any special token around it."""
        ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids and labels, both of length T; a label is `IGNORE` where nothing is learned."""

    ids: list[int]
    labels: list[int]

    def __len__(self) -> int:
        """T, in tokens."""
        return len(self.ids)


def encode(style: str, messages: Sequence[Message], tokenizer: Tokenizer) -> Encoded:
    """Token ids and labels; only assistant messages have labels."""
    ids: list[int] = list(tokenizer.start)
    labels: list[int] = [IGNORE] * len(ids)
    for piece in pieces(style, messages, tokenizer):
        tokens = tokenizer.encode(piece.text)
        ids += tokens
        labels += tokens if piece.role == "assistant" else [IGNORE] * len(tokens)
    return Encoded(ids, labels)


def encode_question(
    style: str, messages: Sequence[Message], answers: Sequence[Message], tokenizer: Tokenizer
) -> tuple[list[int], list[list[int]]]:
    """The ids of a prompt, and of each answer with what ends it.

    The ids of the prompt followed by those of an answer are exactly what `encode` makes of the two together.
    """
    prompt = encode(style, messages, tokenizer).ids
    ending = pieces(style, [*messages, Message("assistant", "")], tokenizer)[-1].text
    end = tokenizer.encode(ending)
    return prompt, [tokenizer.encode(answer.text) + end for answer in answers]


class TooLong(PromptError):
    """An example that does not fit without any history either."""


def fit(build: Callable[[int], T], length: Callable[[T], int], items: int, limit: int) -> tuple[T, int]:
    """The longest history that fits: the oldest items go first, the answer and the options never.

    Parameters
    ----------
    build
        Makes the example with the given number of latest items.
    length
        Its length in tokens; where it shrinks as items are added, fewer may be shown than would fit.
    items
        How many items there are at most.
    limit
        Most tokens.

    Returns
    -------
    example, items shown

    Raises
    ------
    TooLong
        When it does not fit without any history either.
    """
    whole = build(items)
    if length(whole) <= limit:
        return whole, items
    low, high = 0, items  # `low` items may fit, `high` do not
    best = build(0)
    if length(best) > limit:
        raise TooLong(
            f"an example needs {length(best)} tokens even without its history, and prompt.max_tokens is {limit}",
            hint="raise prompt.max_tokens, or leave fields out",
        )
    while high - low > 1:
        middle = (low + high) // 2
        shorter = build(middle)
        if length(shorter) <= limit:
            low, best = middle, shorter
        else:
            high = middle
    return best, low
