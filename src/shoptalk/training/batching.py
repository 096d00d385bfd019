"""Batches of examples of nearly the same length, so that little padding is computed.

Examples are not packed into shared rows: attention is only as long as the examples (see docs/decisions/0003).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoptalk.length_batching import length_batches
from shoptalk.prompts.encode import IGNORE
from shoptalk.training.examples import TokenSet

#: Number of examples, in random order, that are sorted by length together.
WINDOW = 4096


@dataclass(frozen=True, slots=True)
class Batch:
    """R examples, padded at the end to C tokens.

    Attributes
    ----------
    ids
        (R, C) tokens.
    labels
        (R, C), already shifted: the label of a position is the token after it, or ``IGNORE``.
    used
        Number of tokens without padding. In a causal model padding at the end needs no mask.
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    used: int


def plan(
    lengths: NDArray[np.int64], batch_tokens: int, generator: np.random.Generator | None
) -> list[NDArray[np.int64]]:
    """Divide examples into batches of about ``batch_tokens`` tokens and nearly equal lengths.

    Parameters
    ----------
    lengths
        (N,) tokens of each example.
    batch_tokens
        Most tokens of a batch, padding included; a longer example is a batch of its own.
    generator
        Draws the order; without it, batches are in order of falling length.

    Returns
    -------
    list of arrays
        Indices of the examples of each batch.
    """
    order = np.arange(len(lengths)) if generator is None else generator.permutation(len(lengths))
    window_size = len(lengths) if generator is None else WINDOW
    groups: list[NDArray[np.int64]] = []
    for start in range(0, len(order), max(window_size, 1)):
        window = order[start : start + window_size]
        window_groups = [window[rows] for rows in length_batches(lengths[window], batch_tokens, longest_first=True)]
        if generator is not None:
            window_groups = [window_groups[number] for number in generator.permutation(len(window_groups))]
        groups += window_groups
    return groups


def make_batch(tokens: TokenSet, group: NDArray[np.int64]) -> Batch:
    """The examples with the indices ``group`` as one batch."""
    sizes = tokens.lengths[group]
    ids = np.zeros((len(group), int(sizes.max())), dtype=np.int64)
    labels = np.full_like(ids, IGNORE)
    for row, (example, size) in enumerate(zip(group.tolist(), sizes.tolist(), strict=True)):
        end = int(tokens.ends[example])
        ids[row, :size] = tokens.ids[end - size : end]
        labels[row, : size - 1] = tokens.labels[end - size + 1 : end]
    return Batch(ids, labels, int(sizes.sum()))
