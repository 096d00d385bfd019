"""What an audit examines: purchases, multiple-choice questions, a run's results and instruction rows, as arrays."""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoptalk.evaluation.audit.benchmark import Benchmark
from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.id_map import PAD_ID, Bools, Ints
from shoptalk.schema import PARTS

TRAIN, VALIDATION, TEST, CONTEXT, UNUSED = range(len(PARTS))

#: Checks that look at single test cases use a sample of at most this size.
MOST_CASES = 20_000

_NO_LETTERS = re.compile(r"[\W\d_]+")


def letters(text: str) -> str:
    """The letters of a text in lower case, or the text itself if it has none.

    Cleaning of digits, case or punctuation does not change them.
    """
    return _NO_LETTERS.sub("", html.unescape(text).casefold()) or text


@dataclass(frozen=True)
class Log:
    """R purchases of U users and I items, grouped by user, in time order within a user.

    Attributes
    ----------
    user, item
        (R,) index of the user and of the item.
    time
        (R,) seconds.
    part
        (R,) index into ``schema.PARTS``.
    users, items, titles
        U user ids, I item ids and I titles.
    method, ties
        Splitting method and handling of ties, as in a recipe's section ``split``.
    withheld
        Whether the split withholds items from training (``split.cold``).
    """

    user: NDArray[np.integer]
    item: NDArray[np.integer]
    time: NDArray[np.floating | np.integer]
    part: NDArray[np.integer]
    users: Sequence[str]
    items: Sequence[str]
    titles: Sequence[str]
    method: str = "leave-one-out"
    ties: str = "source"
    withheld: bool = False

    @cached_property
    def new_user(self) -> Bools:
        """(R,) whether this is the first row of a user."""
        return np.append(True, self.user[1:] != self.user[:-1]) if len(self.user) else np.zeros(0, dtype=np.bool_)

    @cached_property
    def same_time(self) -> Bools:
        """(R - 1,) whether a row and the next have the same user and the same time."""
        return ~self.new_user[1:] & (self.time[1:] == self.time[:-1])

    @cached_property
    def target_rows(self) -> Ints:
        """(C,) the first target row of each test case."""
        is_test = self.part == TEST
        is_first = is_test.copy()
        is_first[1:] &= ~is_test[:-1] | self.new_user[1:]
        return np.flatnonzero(is_first)

    @cached_property
    def purchases(self) -> Ints:
        """(I,) number of training purchases of each item."""
        return np.bincount(self.item[self.part == TRAIN], minlength=len(self.items))

    @cached_property
    def start(self) -> Ints:
        """(U + 1,) the first row of each user, then R."""
        return np.append(np.flatnonzero(self.new_user), len(self.user))

    def sample(self, seed: int, most: int = MOST_CASES) -> Ints:
        """Target rows of at most ``most`` test cases, drawn with the seed, in ascending order."""
        if len(self.target_rows) <= most:
            return self.target_rows
        return np.sort(np.random.default_rng(seed).choice(self.target_rows, most, replace=False))

    def first_row(self, rows: Ints) -> Ints:
        """For each of the given rows the first row of its user."""
        return self.start[np.searchsorted(self.start, rows, side="right") - 1]

    def histories(self, rows: Ints) -> tuple[Ints, Ints]:
        """The histories before the given target rows: (H,) indices into ``rows``, and (H,) rows of the purchases."""
        first = self.first_row(rows)
        lengths = rows - first
        index = np.repeat(np.arange(len(rows)), lengths)
        seen_items = (
            np.arange(len(index)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + np.repeat(first, lengths)
        )
        return index, seen_items


@dataclass(frozen=True)
class MultipleChoiceSet:
    """N multiple-choice questions with up to P options each.

    Attributes
    ----------
    texts
        T different texts.
    options
        (N, P) indices of the texts shown, ``PAD_ID`` after the last option of a question.
    answer
        (N,) position of the right option, from 0.
    user
        (N,) number of the user; with a `Log`, the index of the user there.
    in_training
        (N,) whether the question belongs to the training part; the others are the test.
    seen_items
        (H, 2) pairs of question and text: the histories, ordered by question and time.
    item
        (N, P) indices of the items in the `Log`; None where only texts are known.
    """

    texts: Sequence[str]
    options: Ints
    answer: Ints
    user: Ints
    in_training: Bools
    seen_items: Ints
    item: Ints | None = None

    @property
    def shown(self) -> Bools:
        """(N, P) whether there is an option at this position."""
        return self.options != PAD_ID

    @cached_property
    def right(self) -> Ints:
        """(N,) index of the right option's text."""
        return self.options[np.arange(len(self.options)), self.answer]

    @cached_property
    def chance(self) -> float:
        """The mean of 1 / options over the test's questions."""
        sizes = self.shown[~self.in_training].sum(axis=1)
        return float((1 / sizes).mean()) if len(sizes) else float("nan")

    @cached_property
    def keys(self) -> Ints:
        """(T,) a number per text, equal for texts with the same letters."""
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(letters(text), len(numbers)) for text in self.texts], dtype=np.int64)


@dataclass(frozen=True)
class WrittenAnswers:
    """N instruction rows with free answers: lists of items, or one text each.

    Attributes
    ----------
    texts
        T different items or answers.
    answers
        (G, 2) pairs of row and text in the answer, ordered by row; a row without a pair has no truth.
    user, in_training
        (N,) as in `MultipleChoiceSet`.
    """

    texts: Sequence[str]
    answers: Ints
    user: Ints
    in_training: Bools


@dataclass(frozen=True)
class Outcome:
    """The results of a run on N test cases.

    Attributes
    ----------
    metric
        The metric in ``values`` and ``swapped``: ``accuracy`` or ``recall@10``.
    values, swapped
        (N,) in [0, 1], with the user's own history and with another user's (None: not measured).
    chance
        Expected value of a random choice.
    tied
        (N,) whether the target has the same time as a neighbouring purchase.
    ranks
        For each method (N,) the rank of the right item in the whole catalogue, from 1.
    catalogue
        Number of ranked items.
    cut
        Share of the training examples and of the test prompts that were truncated, by name.
    transitions
        (E, 2) pairs (earlier item, later item) of the run's transition graph; None: it has none.
    purchases
        (U, I) sparse, the purchases in the run's graph of users and items, with the users in any order; None: it has
        none.
    known
        (I,) whether the run counts the item as bought; None: unknown.
    """

    metric: str
    values: Floats
    swapped: Floats | None
    chance: float
    tied: Bools
    ranks: Mapping[str, Ints]
    catalogue: int = 0
    cut: Mapping[str, float] | None = None
    transitions: Ints | None = None
    known: Bools | None = None
    purchases: Any = None


@dataclass(frozen=True)
class Evidence:
    """The input of the checks; a check whose input is missing yields no finding.

    Attributes
    ----------
    texts
        Pairs (prompt, answer) of instruction rows.
    benchmark
        Rows of benchmark files.
    """

    log: Log | None = None
    choice_set: MultipleChoiceSet | None = None
    outcome: Outcome | None = None
    texts: Sequence[tuple[str, str]] = ()
    seed: int = 1
    written: WrittenAnswers | None = None
    benchmark: Benchmark | None = None
