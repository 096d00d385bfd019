"""Generated benchmark rows without flaws, into which tests insert one flaw each."""

from collections.abc import Sequence

import numpy as np

from shoptalk.data.benchmarks.interpret import interpret
from shoptalk.data.benchmarks.row import BenchmarkRow
from shoptalk.evaluation.audit.benchmark import Benchmark
from shoptalk.evaluation.audit.evidence import Evidence
from shoptalk.stages.audit_files import BenchmarkFiles, as_benchmark, evidence_of

from .datasets import random_words

TALLREC = (
    "Given the user's preference and unpreference, identify whether the user will like the target movie by answering "
    '"Yes." or "No.".\nUser Preference: {}\nUser Unpreference: {}\nWhether the user will like the target movie "{}"?'
)
ITEMS, HISTORY, OPTIONS = 300, 8, 5


class Shop:
    """Items with titles, popularity and one of two genres, and users with a taste for a genre."""

    def __init__(self, seed: int, users: int) -> None:
        self.random = np.random.default_rng(seed)
        words = random_words(200, self.random)
        self.titles = [
            f"{' '.join(self.random.choice(words, 2)).title()}, {number} ({self.random.integers(1950, 2010)})"
            for number in self.random.permutation(ITEMS)
        ]
        share = self.random.permutation(1 / np.arange(3, 3 + ITEMS))
        self.share = share / share.sum()
        self.genre = self.random.integers(0, 2, ITEMS)
        self.taste = self.random.integers(0, 2, users)
        self.seen = [self.random.choice(ITEMS, HISTORY + 4, replace=False, p=self.share) for _ in range(users)]

    def unseen(self, user: int, *, popular: bool = False) -> int:
        """An item that the user does not have: any, or one drawn by popularity."""
        while True:
            item = int(self.random.choice(ITEMS, p=self.share if popular else None))
            if item not in self.seen[user]:
                return item

    def quoted(self, items: Sequence[int]) -> str:
        return ", ".join(f'"{self.titles[item]}"' for item in items)


def tallrec(
    seed: int = 1, users: int = 130, rows: int = 3, popularity: float = 0.0, *, named: bool = False
) -> list[BenchmarkRow]:
    """Rows as in TALLRec: whether a user likes an item; honest ones like the items of their genre.

    In a share ``popularity`` of the rows the answer is Yes for an item drawn by popularity and No for any item,
    whatever the user's taste. With ``named``, rows have users, and those of every second user are for training.
    """
    shop = Shop(seed, users)
    table = []
    for user in range(users):
        for step in range(rows):
            history = shop.seen[user][step : step + HISTORY].tolist()
            if shop.random.random() < popularity:
                yes = bool(shop.random.random() < 0.5)
                item = shop.unseen(user, popular=yes)
            else:
                item = shop.unseen(user)
                yes = bool(shop.genre[item] == shop.taste[user])
            likes, dislikes = (
                shop.quoted([own for own in history if (shop.genre[own] == shop.taste[user]) == liked])
                for liked in (True, False)
            )
            prompt = TALLREC.format(likes, dislikes, shop.titles[item])
            part = {"user": f"u{user}", "for_training": user % 2 == 0} if named else {}
            table.append(BenchmarkRow(f"rows.json, member {len(table) + 1}", prompt, ("No.", "Yes.")[yes], **part))
    return table


def choices(seed: int = 1, users: int = 300, *, named: bool = True) -> list[BenchmarkRow]:
    """Questions with numbered options, of which distractors and right options are drawn alike."""
    shop = Shop(seed, users)
    table = []
    for user in range(users):
        answer = int(shop.random.integers(OPTIONS))
        options: list[int] = []
        while len(options) < OPTIONS:
            item = shop.unseen(user, popular=True)
            options += [] if item in options else [item]
        listed = "\n".join(f"{number}. {shop.titles[item]}" for number, item in enumerate(options, 1))
        had = shop.quoted(shop.seen[user][:HISTORY])
        prompt = f"The user has {had}.\nWhich of these options is next?\n{listed}\nAnswer:"
        part = {"user": f"u{user}", "for_training": user % 2 == 0} if named else {}
        table.append(BenchmarkRow(f"rows.json:{user + 1}", prompt, str(answer + 1), **part))
    return table


def next_items(seed: int = 1, users: int = 400) -> list[BenchmarkRow]:
    """Histories with the next item, with ids in random order; every second user is for training."""
    shop = Shop(seed, users)
    numbers = shop.random.permutation(ITEMS)
    table = []
    for user in range(users):
        history, target = shop.seen[user][:HISTORY].tolist(), shop.unseen(user)
        table.append(
            BenchmarkRow(
                f"rows.csv:{user + 2}",
                "",
                shop.titles[target],
                f"u{user}",
                user % 2 == 0,
                tuple(shop.titles[item] for item in history),
                target=shop.titles[target],
                ids=tuple(str(numbers[item]) for item in (*history, target)),
            )
        )
    return table


def benchmark(rows: Sequence[BenchmarkRow], seed: int = 1) -> Benchmark:
    """The rows as columns."""
    return as_benchmark(interpret(rows), [], BenchmarkFiles(), seed)


def evidence(rows: Sequence[BenchmarkRow], seed: int = 1) -> Evidence:
    """All that an audit of these rows looks at."""
    return evidence_of(interpret(rows), [], BenchmarkFiles(), seed)
