"""Generated audit inputs without flaws, into which tests insert one flaw each."""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

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


def random_words(count: int, generator: np.random.Generator) -> list[str]:
    """Random words of six letters."""
    return ["".join(generator.choice(LETTERS, 6)) for _ in range(count)]


def clean_log(seed: int = 1, users: int = USERS, items: int = ITEMS) -> Log:
    """Purchases of 6 to 10 different items per user at different times, split into parts by date."""
    generator = np.random.default_rng(seed)
    vocabulary = random_words(150, generator)
    titles = [
        " ".join(generator.choice(vocabulary, 4, replace=False)).capitalize() + f" {generator.integers(2, 90)} oz"
        for _ in range(items)
    ]
    share = 1 / np.arange(4, 4 + items)
    share = generator.permutation(share / share.sum())  # popularity does not depend on the order of the ids
    sizes = generator.integers(6, 11, users)
    user = np.repeat(np.arange(users), sizes)
    item = np.concatenate([generator.choice(items, size, replace=False, p=share) for size in sizes])
    time = np.concatenate([np.sort(generator.choice(1_000_000, size, replace=False)) for size in sizes])
    log = Log(
        user=user,
        item=item,
        time=time,
        part=np.zeros(len(user), np.int8),
        users=[f"u{n}" for n in range(users)],
        items=[f"i{n:04}" for n in generator.permutation(items)],
        titles=titles,
        method="by-time",
    )
    return replace(log, part=by_time(log))


def by_time(log: Log) -> Any:
    """The part of each row: training up to a date, then one validation and one test purchase per user."""
    first, second = np.quantile(log.time, [0.7, 0.8])
    part = np.where(log.time < first, TRAIN, UNUSED).astype(np.int8)
    for user in range(len(log.users)):
        rows = np.arange(log.start[user], log.start[user + 1])
        for name, low, high in ((VALIDATION, first, second), (TEST, second, np.inf)):
            candidates = [row for row in rows[1:] if low <= log.time[row] < high]
            if candidates:
                part[candidates[0]] = name
    return part


def clean_choice_set(log: Log, seed: int = 1) -> MultipleChoiceSet:
    """Questions about training and test purchases; distractors are drawn in proportion to their purchases."""
    generator = np.random.default_rng(seed)
    training_rows = np.flatnonzero((log.part == TRAIN) & ~log.new_user)[:1200]
    rows = np.concatenate([training_rows, log.target_rows])
    bought_by_user = [set(log.item[log.start[n] : log.start[n + 1]].tolist()) for n in range(len(log.users))]
    share = log.purchases / log.purchases.sum()
    item = np.empty((len(rows), OPTIONS), dtype=np.int64)
    answer = generator.integers(OPTIONS, size=len(rows))
    for row, target_row in enumerate(rows.tolist()):
        pool = generator.choice(len(share), 60, p=share)
        distractors = [
            item_number
            for item_number in dict.fromkeys(pool.tolist())
            if item_number not in bought_by_user[log.user[target_row]]
        ][: OPTIONS - 1]
        distractors.insert(int(answer[row]), int(log.item[target_row]))
        item[row] = distractors
    index, seen_items = log.histories(rows)
    return MultipleChoiceSet(
        list(log.titles),
        item.copy(),
        answer,
        log.user[rows].astype(np.int64),
        np.arange(len(rows)) < len(training_rows),
        np.stack([index, log.item[seen_items]], axis=1),
        item,
    )


def bought(log: Log, rows: np.ndarray) -> sparse.csr_array:
    """(U, I) the purchases of some rows."""
    shape = (len(log.users), len(log.items))
    return sparse.csr_array((np.ones(int(rows.sum())), (log.user[rows], log.item[rows])), shape=shape)


def clean_outcome(log: Log, seed: int = 1) -> Outcome:
    """A run with accuracy .6 (.3 with another user's history), and the ranks of a worse method."""
    generator = np.random.default_rng(seed)
    count = len(log.target_rows)
    ranks = np.minimum(np.floor(np.exp(generator.exponential(2.0, count))), len(log.items)).astype(np.int64)
    rows = np.flatnonzero((log.part == TRAIN) & ~log.new_user)
    return Outcome(
        metric="accuracy",
        values=(generator.random(count) < 0.6).astype(float),
        swapped=(generator.random(count) < 0.3).astype(float),
        chance=1 / OPTIONS,
        tied=np.zeros(count, dtype=bool),
        ranks={"the model": ranks, "popularity": np.minimum(ranks * 3, len(log.items))},
        catalogue=len(log.items),
        cut={"training examples": 0.0},
        transitions=np.stack([log.item[rows - 1], log.item[rows]], axis=1),
        known=log.purchases > 0,
        purchases=bought(log, log.part == TRAIN),
    )


def clean_texts(seed: int = 1) -> list[tuple[str, str]]:
    """Pairs of a prompt and an answer of random words."""
    generator = np.random.default_rng(seed)
    vocabulary = random_words(400, generator)
    return [(" ".join(generator.choice(vocabulary, 30)), " ".join(generator.choice(vocabulary, 6))) for _ in range(150)]


def clean(seed: int = 1) -> Evidence:
    """All inputs of an audit, without a flaw."""
    log = clean_log(seed)
    return Evidence(log, clean_choice_set(log, seed), clean_outcome(log, seed), clean_texts(seed), seed)
