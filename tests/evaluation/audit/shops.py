"""Generated shops without a flaw; tests plant one."""

from dataclasses import replace
from typing import Any

import numpy as np

from shoptalk.evaluation.audit.evidence import (
    TEST,
    TRAIN,
    UNUSED,
    VALIDATION,
    Evidence,
    Log,
    MultipleChoiceSet,
    Outcome,
)

USERS, ITEMS, OPTIONS = 500, 240, 4
LETTERS = list("abcdefghijklmnopqrstuvwxyz")


def words(count: int, generator: np.random.Generator) -> list[str]:
    return ["".join(generator.choice(LETTERS, 6)) for _ in range(count)]


def clean_log(seed: int = 1, users: int = USERS, items: int = ITEMS) -> Log:
    """Every user buys 6 to 10 different items at different moments; one date for all parts training from test."""
    generator = np.random.default_rng(seed)
    vocabulary = words(150, generator)
    titles = [" ".join(generator.choice(vocabulary, 4, replace=False)).capitalize() + f" {generator.integers(2, 90)} oz"
              for _ in range(items)]  # fmt: skip
    share = 1 / np.arange(4, 4 + items)
    share = generator.permutation(share / share.sum())  # no order of the ids says what is popular
    sizes = generator.integers(6, 11, users)
    user = np.repeat(np.arange(users), sizes)
    item = np.concatenate([generator.choice(items, size, replace=False, p=share) for size in sizes])
    time = np.concatenate([np.sort(generator.choice(1_000_000, size, replace=False)) for size in sizes])
    log = Log(user, item, time, np.zeros(len(user), np.int8), [f"u{n}" for n in range(users)],
              [f"i{n:04}" for n in generator.permutation(items)], titles, method="by-time")  # fmt: skip
    return replace(log, part=by_time(log))


def by_time(log: Log) -> Any:
    first, second = np.quantile(log.time, [0.7, 0.8])
    part = np.where(log.time < first, TRAIN, UNUSED).astype(np.int8)
    for user in range(len(log.users)):
        rows = np.arange(log.start[user], log.start[user + 1])
        for name, low, high in ((VALIDATION, first, second), (TEST, second, np.inf)):
            asked = [row for row in rows[1:] if low <= log.time[row] < high]
            if asked:
                part[asked[0]] = name
    return part


def clean_choice_set(log: Log, seed: int = 1) -> MultipleChoiceSet:
    """Questions about training purchases and test purchases; distractors are drawn as often as they were bought."""
    generator = np.random.default_rng(seed)
    learned = np.flatnonzero((log.part == TRAIN) & ~log.new_user)[:1200]
    chosen = np.concatenate([learned, log.target])
    owned = [set(log.item[log.start[n] : log.start[n + 1]].tolist()) for n in range(len(log.users))]
    share = log.bought / log.bought.sum()
    item = np.empty((len(chosen), OPTIONS), dtype=np.int64)
    answer = generator.integers(OPTIONS, size=len(chosen))
    for row, at in enumerate(chosen.tolist()):
        pool = generator.choice(len(share), 60, p=share)
        free = [one for one in dict.fromkeys(pool.tolist()) if one not in owned[log.user[at]]][: OPTIONS - 1]
        item[row] = np.insert(free, answer[row], log.item[at])
    index, seen_items = log.before(chosen)
    return MultipleChoiceSet(
        list(log.titles),
        item.copy(),
        answer,
        log.user[chosen].astype(np.int64),
        np.arange(len(chosen)) < len(learned),
        np.stack([index, log.item[seen_items]], axis=1),
        item,
    )


def clean_outcome(log: Log, seed: int = 1) -> Outcome:
    """A run that is right for .6 with the own and for .3 with another's history, and a worse method beside it."""
    generator = np.random.default_rng(seed)
    count = len(log.target)
    ranks = np.minimum(np.floor(np.exp(generator.exponential(2.0, count))), len(log.items)).astype(np.int64)
    usable = np.flatnonzero((log.part == TRAIN) & ~log.new_user)
    return Outcome(
        metric="accuracy",
        own=(generator.random(count) < 0.6).astype(float),
        swapped=(generator.random(count) < 0.3).astype(float),
        chance=1 / OPTIONS,
        tied=np.zeros(count, dtype=bool),
        ranks={"the model": ranks, "popularity": np.minimum(ranks * 3, len(log.items))},
        catalogue=len(log.items),
        cut={"training examples": 0.0},
        transitions=np.stack([log.item[usable - 1], log.item[usable]], axis=1),
        known=log.bought > 0,
    )


def clean_texts(seed: int = 1) -> list[tuple[str, str]]:
    generator = np.random.default_rng(seed)
    vocabulary = words(400, generator)
    return [(" ".join(generator.choice(vocabulary, 30)), " ".join(generator.choice(vocabulary, 6))) for _ in range(150)]


def clean(seed: int = 1) -> Evidence:
    log = clean_log(seed)
    return Evidence(log, clean_choice_set(log, seed), clean_outcome(log, seed), clean_texts(seed), seed)
