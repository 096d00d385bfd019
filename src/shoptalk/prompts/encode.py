"""Messages as token ids: one encoder for training, scoring and serving."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from shoptalk.errors import PromptError
from shoptalk.prompts.styles import Chat, segments
from shoptalk.schema import Message

T = TypeVar("T")

#: The label that cross-entropy skips.
IGNORE = -100


class Tokenizer(Chat, Protocol):
    """The interface of a tokenizer (implemented in ``models/tokenizer.py``); ``start`` precedes every text."""

    start: Sequence[int]

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens around it."""
        ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids and labels, both of length T; the label of a token that is not learned is `IGNORE`."""

    ids: list[int]
    labels: list[int]

    def __len__(self) -> int:
        """T, the number of tokens."""
        return len(self.ids)


def encode(style: str, messages: Sequence[Message], tokenizer: Tokenizer) -> Encoded:
    """Token ids and labels; only assistant messages have labels."""
    ids: list[int] = list(tokenizer.start)
    labels: list[int] = [IGNORE] * len(ids)
    for segment in segments(style, messages, tokenizer):
        tokens = tokenizer.encode(segment.text)
        ids += tokens
        labels += tokens if segment.role == "assistant" else [IGNORE] * len(tokens)
    return Encoded(ids, labels)


def encode_question(
    style: str, messages: Sequence[Message], answers: Sequence[Message], tokenizer: Tokenizer
) -> tuple[list[int], list[list[int]]]:
    """The ids of a prompt, and of each answer with its ending.

    The ids of the prompt followed by those of an answer equal the ids of `encode` for both together.
    """
    prompt = encode(style, messages, tokenizer).ids
    ending = segments(style, [*messages, Message("assistant", "")], tokenizer)[-1].text
    end = tokenizer.encode(ending)
    return prompt, [tokenizer.encode(answer.text) + end for answer in answers]


class TooLong(PromptError):
    """An example that does not fit even without its history."""


def fit(build: Callable[[int], T], length: Callable[[T], int], items: int, limit: int) -> tuple[T, int]:
    """The example with the longest history that fits, found by bisection; the oldest items are left out first.

    Parameters
    ----------
    build
        Makes the example with a number of latest items.
    length
        Length of an example in tokens. Where it is not monotonic in the number of items, the result may have fewer
        items than would fit.
    items
        Most items.
    limit
        Most tokens.

    Returns
    -------
    example, items shown

    Raises
    ------
    TooLong
        When the example does not fit even without its history.
    """
    longest = build(items)
    if length(longest) <= limit:
        return longest, items
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
