"""Answers made by hand or by a generator, for the tests of error analysis."""

from collections.abc import Sequence

import numpy as np

from shoptalk.evaluation.errors.answers import Answers, ItemStats, OptionPositions
from shoptalk.evaluation.id_map import PAD_ID, Ints, UserItemSets


def item_stats(titles: Sequence[str], purchases: Sequence[int] = (), categories: Sequence[str] = ()) -> ItemStats:
    bought = np.array(purchases or [1] * len(titles), dtype=np.int64)
    return ItemStats(list(titles), bought, list(categories or [""] * len(titles)))


def pairs(seen_items: Sequence[Sequence[int]]) -> UserItemSets:
    rows = np.repeat(np.arange(len(seen_items)), [len(own) for own in seen_items])
    return UserItemSets.of(
        rows, np.array([item for own in seen_items for item in own], dtype=np.int64), len(seen_items)
    )


def answers(
    seen_items: Sequence[Sequence[int]],
    right: Sequence[int],
    chosen: Sequence[int],
    others: Sequence[Sequence[int]] = (),
    sure: Sequence[float] = (),
    indices: OptionPositions | None = None,
) -> Answers:
    """Wrong where the chosen item is not the right one."""
    count = len(right)
    return Answers(
        users=[f"u{n}" for n in range(count)],
        seen_items=pairs(seen_items),
        right=np.array(right),
        chosen=np.array(chosen),
        wrong=np.array(right) != np.array(chosen),
        others=np.array(others or [[PAD_ID]] * count),
        sure=np.array(sure or [0.5] * count),
        positions=indices,
    )


def chosen_among(options: Ints, right: Ints, chosen: Ints, seen_items: Sequence[Sequence[int]] = ()) -> Answers:
    """(N, P) options, (N,) places of the right and of the chosen one."""
    rows, width = np.arange(len(options)), options.shape[1]
    others = options[np.arange(width)[None, :] != right[:, None]].reshape(len(options), width - 1)
    return Answers(
        users=[f"u{n}" for n in range(len(options))],
        seen_items=pairs(seen_items or [[]] * len(options)),
        right=options[rows, right],
        chosen=options[rows, chosen],
        wrong=right != chosen,
        others=others,
        sure=np.full(len(options), 0.5),
        positions=OptionPositions(chosen, right, np.full(len(options), width)),
    )


def eval_data(cases: int, items: int, random: np.random.Generator, width: int = 4) -> tuple[Ints, Ints]:
    """Options without repeats, (N, P), and the place of the right one, (N,)."""
    options = np.stack([random.choice(items, width, replace=False) for _ in range(cases)])
    return options, random.integers(0, width, cases)
