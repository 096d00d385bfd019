"""Answers written by hand or generated, for the tests of error analysis."""

from collections.abc import Sequence

import numpy as np

from shoptalk.evaluation.errors.answers import Answers, ItemStats, OptionPositions
from shoptalk.evaluation.id_map import PAD_ID, Ints, UserItemSets


def item_stats(titles: Sequence[str], purchases: Sequence[int] = (), categories: Sequence[str] = ()) -> ItemStats:
    """Items with these titles; one purchase each and no category by default."""
    bought = np.array(purchases or [1] * len(titles), dtype=np.int64)
    return ItemStats(list(titles), bought, list(categories or [""] * len(titles)))


def pairs(seen_items: Sequence[Sequence[int]]) -> UserItemSets:
    """Lists of item numbers as sets."""
    rows = np.repeat(np.arange(len(seen_items)), [len(items) for items in seen_items])
    return UserItemSets.of(
        rows, np.array([item for items in seen_items for item in items], dtype=np.int64), len(seen_items)
    )


def answers(
    seen_items: Sequence[Sequence[int]],
    right: Sequence[int],
    chosen: Sequence[int],
    alternatives: Sequence[Sequence[int]] = (),
    confidence: Sequence[float] = (),
    positions: OptionPositions | None = None,
) -> Answers:
    """Answers that are wrong where the chosen item is not the right one."""
    count = len(right)
    return Answers(
        users=[f"u{n}" for n in range(count)],
        seen_items=pairs(seen_items),
        right=np.array(right),
        chosen=np.array(chosen),
        wrong=np.array(right) != np.array(chosen),
        alternatives=np.array(alternatives or [[PAD_ID]] * count),
        confidence=np.array(confidence or [0.5] * count),
        positions=positions,
    )


def option_answers(options: Ints, right: Ints, chosen: Ints, seen_items: Sequence[Sequence[int]] = ()) -> Answers:
    """Answers to multiple-choice cases: (N, P) options, (N,) positions of the right and of the chosen one."""
    rows, width = np.arange(len(options)), options.shape[1]
    alternatives = options[np.arange(width)[None, :] != right[:, None]].reshape(len(options), width - 1)
    return Answers(
        users=[f"u{n}" for n in range(len(options))],
        seen_items=pairs(seen_items or [[]] * len(options)),
        right=options[rows, right],
        chosen=options[rows, chosen],
        wrong=right != chosen,
        alternatives=alternatives,
        confidence=np.full(len(options), 0.5),
        positions=OptionPositions(chosen, right, np.full(len(options), width)),
    )


def random_options(cases: int, items: int, random: np.random.Generator, width: int = 4) -> tuple[Ints, Ints]:
    """(N, P) different options per case, and the (N,) positions of the right one."""
    options = np.stack([random.choice(items, width, replace=False) for _ in range(cases)])
    return options, random.integers(0, width, cases)
