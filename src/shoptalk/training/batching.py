"""Batches of examples of nearly the same length, so that next to no padding is computed.

Not packed into rows behind a mask: attention stays as short as the examples (see docs/decisions/0003).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoptalk.length_batching import length_batches
from shoptalk.prompts.encode import IGNORE
from shoptalk.training.examples import TokenSet

#: Examples are sorted by length within as many at a time; batches stay as random as their windows are.
WINDOW = 4096


@dataclass(frozen=True, slots=True)
class Batch:
    """R examples in rows of C tokens.

    ``labels`` are already shifted: the label of a place is the token after it. ``used`` of the R x C tokens belong to
    examples, the rest fills up at the end, where a causal model never looks.
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    used: int


def plan(
    lengths: NDArray[np.int64], batch_tokens: int, generator: np.random.Generator | None
) -> list[NDArray[np.int64]]:
    """Which examples go together: batches of about ``batch_tokens`` tokens, each of nearly equal lengths.

    Parameters
    ----------
    lengths
        Tokens of each of N examples.
    batch_tokens
        Most tokens of a batch, filling included; a longer example is a batch of its own.
    generator
        Draws the order; without one it is by length.
    """
    order = np.arange(len(lengths)) if generator is None else generator.permutation(len(lengths))
    window = len(lengths) if generator is None else WINDOW
    result: list[NDArray[np.int64]] = []
    for start in range(0, len(order), max(window, 1)):
        part = order[start : start + window]
        chosen = [part[batch] for batch in length_batches(lengths[part], batch_tokens, longest_first=True)]
        if generator is not None:
            chosen = [chosen[number] for number in generator.permutation(len(chosen))]
        result += chosen
    return result


def make_batch(tokens: TokenSet, group: NDArray[np.int64]) -> Batch:
    """The examples of a group as one batch."""
    sizes = tokens.lengths[group]
    ids = np.zeros((len(group), int(sizes.max())), dtype=np.int64)
    labels = np.full_like(ids, IGNORE)
    for row, (example, size) in enumerate(zip(group.tolist(), sizes.tolist(), strict=True)):
        end = int(tokens.ends[example])
        ids[row, :size] = tokens.ids[end - size : end]
        labels[row, : size - 1] = tokens.labels[end - size + 1 : end]
    return Batch(ids, labels, int(sizes.sum()))
