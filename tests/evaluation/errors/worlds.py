"""Answers made by hand or by a generator, for the tests of error analysis."""

from collections.abc import Sequence

import numpy as np

from shoptalk.evaluation.coded import NOTHING, Ints, Pairs
from shoptalk.evaluation.errors.answers import Answers, Goods, Places


def goods(titles: Sequence[str], purchases: Sequence[int] = (), categories: Sequence[str] = ()) -> Goods:
    bought = np.array(purchases or [1] * len(titles), dtype=np.int64)
    return Goods(list(titles), bought, list(categories or [""] * len(titles)))


def pairs(held: Sequence[Sequence[int]]) -> Pairs:
    rows = np.repeat(np.arange(len(held)), [len(own) for own in held])
    return Pairs.of(rows, np.array([item for own in held for item in own], dtype=np.int64), len(held))


def answers(
    held: Sequence[Sequence[int]],
    right: Sequence[int],
    chosen: Sequence[int],
    others: Sequence[Sequence[int]] = (),
    sure: Sequence[float] = (),
    places: Places | None = None,
) -> Answers:
    """Wrong where the chosen item is not the right one."""
    count = len(right)
    return Answers(
        users=[f"u{n}" for n in range(count)],
        held=pairs(held),
        right=np.array(right),
        chosen=np.array(chosen),
        wrong=np.array(right) != np.array(chosen),
        others=np.array(others or [[NOTHING]] * count),
        sure=np.array(sure or [0.5] * count),
        places=places,
    )


def chosen_among(options: Ints, right: Ints, chosen: Ints, held: Sequence[Sequence[int]] = ()) -> Answers:
    """(N, P) options, (N,) places of the right and of the chosen one."""
    rows, width = np.arange(len(options)), options.shape[1]
    others = options[np.arange(width)[None, :] != right[:, None]].reshape(len(options), width - 1)
    return Answers(
        users=[f"u{n}" for n in range(len(options))],
        held=pairs(held or [[]] * len(options)),
        right=options[rows, right],
        chosen=options[rows, chosen],
        wrong=right != chosen,
        others=others,
        sure=np.full(len(options), 0.5),
        places=Places(chosen, right, np.full(len(options), width)),
    )


def exam(cases: int, items: int, random: np.random.Generator, width: int = 4) -> tuple[Ints, Ints]:
    """Options without repeats, (N, P), and the place of the right one, (N,)."""
    options = np.stack([random.choice(items, width, replace=False) for _ in range(cases)])
    return options, random.integers(0, width, cases)
