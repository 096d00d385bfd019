"""From cases and histories to token ids, ready to be packed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shoptalk.errors import PromptError
from shoptalk.models.tokenizer import Tokenizer
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.encode import Encoded, encode
from shoptalk.prompts.questions import builder_for_options, fit_shortened
from shoptalk.schema import EvalExample, Example, History


@dataclass(frozen=True)
class TokenSet:
    """N encoded examples, end to end.

    Attributes
    ----------
    ids, labels
        All tokens (int32), of length T.
    ends
        Where each example ends (N).
    cut
        How many examples lost part of their history to fit.
    """

    ids: NDArray[np.int32]
    labels: NDArray[np.int32]
    ends: NDArray[np.int64]
    cut: int = 0

    def __len__(self) -> int:
        """N, in examples."""
        return len(self.ends)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each example (N)."""
        return np.diff(self.ends, prepend=0)

    def first(self, examples: int) -> "TokenSet":
        """The first examples alone."""
        ends = self.ends[:examples]
        stop = int(ends[-1]) if len(ends) else 0
        return TokenSet(self.ids[:stop], self.labels[:stop], ends, min(self.cut, len(ends)))


def encode_cases(cases: Iterable[EvalExample], builder: PromptBuilder, tokenizer: Tokenizer) -> TokenSet:
    """Each case's question with its right answer; what is too long loses its oldest history."""
    encoded: list[Encoded] = []
    cut = 0
    for case in cases:
        shown = min(len(case.history.items), builder.prompt.history)
        for index in range(len(builder.examples(case, latest=0))):

            def build(words: PromptBuilder, latest: int, case: EvalExample = case, index: int = index) -> Encoded:
                example = words.examples(case, latest=latest)[index]
                return encode(words.prompt.style, example.messages, tokenizer)

            limit = builder.prompt.max_tokens
            example, kept, words = fit_shortened(build, len, builder, shown, limit)
            if case.candidates is not None and len(example) + builder.field_tokens > limit:
                # Where another answer is so long that texts are cut for scoring, they are cut for learning, too.
                scored = builder_for_options(builder, tokenizer, case.history, case.candidates)
                if scored.field_tokens < words.field_tokens:
                    example, kept, _ = fit_shortened(build, len, scored, shown, limit)
            encoded.append(example)
            cut += kept < shown
    return gather(encoded, cut)


def encode_sequences(histories: Iterable[History], builder: PromptBuilder, tokenizer: Tokenizer) -> TokenSet:
    """Whole histories in which every title but the first is an answer; a long one is cut into windows.

    A window has at most ``prompt.history`` + 1 items and ``prompt.max_tokens`` tokens, and begins with the last item of
    the window before it, so that every item is learned once and none without something before it.
    """
    encoded: list[Encoded] = []
    cut = 0
    style, limit = builder.prompt.style, builder.prompt.max_tokens
    for history in histories:
        start = 0
        while start < len(history.items) - 1:
            end = start + builder.prompt.history + 1
            rest = History(history.user_id, history.items[start:end], history.reviews[start:end])

            def build(words: PromptBuilder, items: int, rest: History = rest) -> Encoded:
                part = History(rest.user_id, rest.items[: max(items, 2)], rest.reviews[: max(items, 2)])
                return encode(style, words.sequence(part).messages, tokenizer)

            example, shown, _ = fit_shortened(build, len, builder, len(rest.items), limit)
            encoded.append(example)
            start += max(shown, 2) - 1
            cut += start < len(history.items) - 1
    return gather(encoded, cut)


def encode_examples(
    examples: Iterable[Example], style: str, tokenizer: Tokenizer, limit: int, *, where: str
) -> TokenSet:
    """Examples from elsewhere (``where`` names the file), as they are.

    Raises
    ------
    PromptError
        When one is longer than ``limit`` tokens: cutting it would cut its answer.
    """
    encoded = []
    for number, example in enumerate(examples, 1):
        piece = encode(style, example.messages, tokenizer)
        if len(piece) > limit:
            raise PromptError(
                f"example {number} has {len(piece)} tokens, and prompt.max_tokens is {limit}",
                where=where,
                hint="raise prompt.max_tokens",
            )
        encoded.append(piece)
    return gather(encoded, 0)


def encode_texts(texts: Iterable[str], tokenizer: Tokenizer) -> TokenSet:
    """Texts to be learned word by word (the catalogue's titles), each a line of its own."""
    encoded = []
    for text in texts:
        ids = tokenizer.encode(text) + tokenizer.encode("\n")
        encoded.append(Encoded([*tokenizer.start, *ids], [-100] * len(tokenizer.start) + ids))
    return gather(encoded, 0)


def gather(encoded: Sequence[Encoded], cut: int) -> TokenSet:
    """Examples laid end to end."""
    flat_ids = np.fromiter((i for piece in encoded for i in piece.ids), dtype=np.int32)
    flat_labels = np.fromiter((i for piece in encoded for i in piece.labels), dtype=np.int32)
    ends = np.cumsum([len(piece) for piece in encoded], dtype=np.int64)
    return TokenSet(flat_ids, flat_labels, ends, cut)


def join(sets: Sequence[TokenSet]) -> TokenSet:
    """Several sets as one."""
    offsets = np.cumsum([0, *(len(part.ids) for part in sets)])
    return TokenSet(
        np.concatenate([part.ids for part in sets]),
        np.concatenate([part.labels for part in sets]),
        np.concatenate([part.ends + offset for part, offset in zip(sets, offsets, strict=False)]),
        sum(part.cut for part in sets),
    )
