"""Cases, histories and texts as token ids with labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shoptalk.errors import PromptError
from shoptalk.models.tokenizer import Tokenizer
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.encode import IGNORE, Encoded, encode
from shoptalk.prompts.questions import builder_for_options, fit_shortened
from shoptalk.schema import EvalExample, Example, History


@dataclass(frozen=True)
class TokenSet:
    """N encoded examples, concatenated.

    Attributes
    ----------
    ids, labels
        (T,) all tokens, and their labels: the token itself, or ``IGNORE`` where it is not learned.
    ends
        (N,) the end of each example in these.
    cut
        Number of examples that lost a part of their history to fit ``prompt.max_tokens``.
    """

    ids: NDArray[np.int32]
    labels: NDArray[np.int32]
    ends: NDArray[np.int64]
    cut: int = 0

    def __len__(self) -> int:
        """N, the number of examples."""
        return len(self.ends)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Number of tokens of each example (N,)."""
        return np.diff(self.ends, prepend=0)

    def first(self, examples: int) -> "TokenSet":
        """The first ``examples`` examples."""
        ends = self.ends[:examples]
        stop = int(ends[-1]) if len(ends) else 0
        return TokenSet(self.ids[:stop], self.labels[:stop], ends, min(self.cut, len(ends)))

    def take(self, numbers: NDArray[np.int64]) -> "TokenSet":
        """The examples with these numbers, in the given order."""
        tokens = [np.arange(self.ends[number] - self.lengths[number], self.ends[number]) for number in numbers]
        index = np.concatenate([*tokens, np.empty(0, dtype=np.int64)]).astype(np.int64)
        return TokenSet(
            self.ids[index], self.labels[index], np.cumsum(self.lengths[numbers]), min(self.cut, len(numbers))
        )


def encode_cases(cases: Iterable[EvalExample], builder: PromptBuilder, tokenizer: Tokenizer) -> TokenSet:
    """Each case's question with its right answer.

    Where an example is longer than ``prompt.max_tokens``, the oldest items of its history are left out, and then texts
    are shortened.
    """
    encoded: list[Encoded] = []
    cut = 0
    for case in cases:
        history_size = min(len(case.history.items), builder.prompt.history)
        for index in range(len(builder.examples(case, latest=0))):

            def build(builder: PromptBuilder, latest: int, case: EvalExample = case, index: int = index) -> Encoded:
                example = builder.examples(case, latest=latest)[index]
                return encode(builder.prompt.style, example.messages, tokenizer)

            limit = builder.prompt.max_tokens
            example, shown, fitted_builder = fit_shortened(build, len, builder, history_size, limit)
            if case.candidates is not None and len(example) + builder.field_tokens > limit:
                # A long wrong option shortens the texts when the options are scored; training uses the same texts.
                scoring_builder = builder_for_options(builder, tokenizer, case.history, case.candidates)
                if scoring_builder.field_tokens < fitted_builder.field_tokens:
                    example, shown, _ = fit_shortened(build, len, scoring_builder, history_size, limit)
            encoded.append(example)
            cut += shown < history_size
    return gather(encoded, cut)


def encode_sequences(histories: Iterable[History], builder: PromptBuilder, tokenizer: Tokenizer) -> TokenSet:
    """Whole histories in which every item but the first is an answer; long histories are divided into windows.

    A window has at most ``prompt.history`` + 1 items and ``prompt.max_tokens`` tokens. It begins with the last item of
    the window before it, so that every item but the first is an answer exactly once.
    """
    encoded: list[Encoded] = []
    cut = 0
    style, limit = builder.prompt.style, builder.prompt.max_tokens
    for history in histories:
        start = 0
        while start < len(history.items) - 1:
            end = start + builder.prompt.history + 1
            window = History(history.user_id, history.items[start:end], history.reviews[start:end])

            def build(builder: PromptBuilder, items: int, window: History = window) -> Encoded:
                first = History(window.user_id, window.items[: max(items, 2)], window.reviews[: max(items, 2)])
                return encode(style, builder.sequence(first).messages, tokenizer)

            example, shown, _ = fit_shortened(build, len, builder, len(window.items), limit)
            encoded.append(example)
            start += max(shown, 2) - 1
            cut += start < len(history.items) - 1
    return gather(encoded, cut)


def encode_examples(
    examples: Iterable[Example], style: str, tokenizer: Tokenizer, limit: int, *, where: str
) -> TokenSet:
    """Examples of a file, unchanged.

    Parameters
    ----------
    limit
        Most tokens of an example.
    where
        The file, for the error.

    Raises
    ------
    PromptError
        When an example is longer than ``limit`` tokens: it is not cut, because that would cut its answer.
    """
    encoded = []
    for number, example in enumerate(examples, 1):
        tokens = encode(style, example.messages, tokenizer)
        if len(tokens) > limit:
            raise PromptError(
                f"example {number} has {len(tokens)} tokens, and prompt.max_tokens is {limit}",
                where=where,
                hint="raise prompt.max_tokens",
            )
        encoded.append(tokens)
    return gather(encoded, 0)


def encode_texts(texts: Iterable[str], tokenizer: Tokenizer) -> TokenSet:
    """Texts of which every token is learned, such as the titles of the catalogue; each ends with a line break."""
    encoded = []
    for text in texts:
        ids = tokenizer.encode(text) + tokenizer.encode("\n")
        encoded.append(Encoded([*tokenizer.start, *ids], [IGNORE] * len(tokenizer.start) + ids))
    return gather(encoded, 0)


def gather(encoded: Sequence[Encoded], cut: int) -> TokenSet:
    """Encoded examples as one set; ``cut`` of them lost a part of their history."""
    ids = np.fromiter((token for example in encoded for token in example.ids), dtype=np.int32)
    labels = np.fromiter((label for example in encoded for label in example.labels), dtype=np.int32)
    ends = np.cumsum([len(example) for example in encoded], dtype=np.int64)
    return TokenSet(ids, labels, ends, cut)


def join(sets: Sequence[TokenSet]) -> TokenSet:
    """The examples of several sets as one set, in the given order."""
    offsets = np.cumsum([0, *(len(part.ids) for part in sets)])
    return TokenSet(
        np.concatenate([part.ids for part in sets]),
        np.concatenate([part.labels for part in sets]),
        np.concatenate([part.ends + offset for part, offset in zip(sets, offsets, strict=False)]),
        sum(part.cut for part in sets),
    )
