"""Instructions that have nothing to do with shopping, as system C mixed them in: small sums, words, opposites, days.

    python benchmarks/reproductions/general.py --out general.json --rows 2000

The same seed writes the same rows. System C took those of Alpaca, which a teacher model wrote.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from shoptalk.files import write_text

WORDS = (
    "river", "window", "garden", "music", "letter", "winter", "bread", "candle", "forest", "silver", "bridge", "summer",
    "paper", "stone", "cloud", "orange", "market", "doctor", "yellow", "island", "pencil", "rabbit", "school", "train",
)  # fmt: skip
OPPOSITES = (
    ("hot", "cold"), ("early", "late"), ("open", "closed"), ("full", "empty"), ("light", "dark"), ("high", "low"),
    ("fast", "slow"), ("near", "far"), ("old", "new"), ("loud", "quiet"), ("wet", "dry"), ("strong", "weak"),
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
Row = tuple[str, str, str]


def _sum(rng: np.random.Generator) -> Row:
    one, other = rng.integers(1, 50, size=2).tolist()
    return f"What is {one} plus {other}?", "", str(one + other)


def _larger(rng: np.random.Generator) -> Row:
    one, other = rng.choice(100, size=2, replace=False).tolist()
    return "Which of the two numbers is the larger one?", f"{one}, {other}", str(max(one, other))


def _sorted(rng: np.random.Generator) -> Row:
    words = rng.choice(WORDS, size=3, replace=False).tolist()
    return "Put the words into alphabetical order.", ", ".join(words), ", ".join(sorted(words))


def _capital(rng: np.random.Generator) -> Row:
    word = str(rng.choice(WORDS))
    return "Write the word in capital letters.", word, word.upper()


def _opposite(rng: np.random.Generator) -> Row:
    one, other = OPPOSITES[rng.integers(len(OPPOSITES))]
    return f"What is the opposite of {one}?", "", f"The opposite of {one} is {other}."


def _day(rng: np.random.Generator) -> Row:
    at = int(rng.integers(len(DAYS)))
    return f"Which day comes after {DAYS[at]}?", "", DAYS[(at + 1) % len(DAYS)]


KINDS: tuple[Callable[[np.random.Generator], Row], ...] = (_sum, _larger, _sorted, _capital, _opposite, _day)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    rows = [KINDS[number % len(KINDS)](rng) for number in range(given.rows)]
    lines = [json.dumps(dict(zip(("instruction", "input", "output"), row, strict=True))) for row in rows]
    write_text(given.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
