"""What an audit may look at: purchases, exam questions, a run's answers and instruction texts, all in numbers."""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.id_map import PAD_ID, Bools, Ints
from shoptalk.schema import PARTS

TRAIN, VALIDATION, TEST, CONTEXT, UNUSED = range(len(PARTS))

#: Test cases that checks look at one by one are drawn from a shop that has more.
MOST_CASES = 20_000

_NO_LETTERS = re.compile(r"[\W\d_]+")


def letters(text: str) -> str:
    """The letters of a text and nothing else, small: what no cleaning of digits, case or punctuation changes."""
    return _NO_LETTERS.sub("", html.unescape(text).casefold()) or text


@dataclass(frozen=True)
class Log:
    """R purchases of U users and I items, users one after the other, each in time order.

    Attributes
    ----------
    user, item
        (R,) numbers; users come in this order.
    time
        (R,) seconds.
    part
        (R,) place among ``schema.PARTS``.
    users, items, titles
        U names, I ids and I titles.
    method, ties
        The protocol, as in a recipe's section ``split``.
    withheld
        Whether items were withheld from training on purpose.
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
        """(R,) whether a user begins in this row."""
        return np.append(True, self.user[1:] != self.user[:-1]) if len(self.user) else np.zeros(0, dtype=np.bool_)

    @cached_property
    def same_moment(self) -> Bools:
        """(R - 1,) whether a row and the next are of one user and one moment."""
        return ~self.new_user[1:] & (self.time[1:] == self.time[:-1])

    @cached_property
    def target(self) -> Ints:
        """(C,) the rows where a test case's right items begin."""
        asked = self.part == TEST
        begins = asked.copy()
        begins[1:] &= ~asked[:-1] | self.new_user[1:]
        return np.flatnonzero(begins)

    @cached_property
    def bought(self) -> Ints:
        """(I,) purchases in training."""
        return np.bincount(self.item[self.part == TRAIN], minlength=len(self.items))

    @cached_property
    def start(self) -> Ints:
        """(U,) the first row of each user, and R at the end: (U + 1,)."""
        return np.append(np.flatnonzero(self.new_user), len(self.user))

    def sample(self, seed: int, most: int = MOST_CASES) -> Ints:
        """Rows of at most so many test targets, drawn by the seed, in order."""
        if len(self.target) <= most:
            return self.target
        return np.sort(np.random.default_rng(seed).choice(self.target, most, replace=False))

    def first_row(self, rows: Ints) -> Ints:
        """The first row of the user that each of the given rows belongs to."""
        return self.start[np.searchsorted(self.start, rows, side="right") - 1]

    def before(self, rows: Ints) -> tuple[Ints, Ints]:
        """The histories of the given targets: (H,) places among the targets, and (H,) the rows held."""
        first = self.first_row(rows)
        lengths = rows - first
        index = np.repeat(np.arange(len(rows)), lengths)
        seen_items = (
            np.arange(len(index)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + np.repeat(first, lengths)
        )
        return index, seen_items


@dataclass(frozen=True)
class MultipleChoiceSet:
    """N questions with up to P options each.

    Attributes
    ----------
    texts
        T different texts.
    options
        (N, P) numbers of the texts shown, ``PAD_ID`` after a question's last.
    answer
        (N,) place of the right option, from 0.
    asker
        (N,) whose question it is; with a `Log`, the number of the user there.
    learned
        (N,) whether the question may be learned from; the others are the test.
    seen_items
        (H, 2) rows of question and text: what the histories hold, in their order.
    item
        (N, P) numbers of the items in the `Log`; None where only texts are known.
    """

    texts: Sequence[str]
    options: Ints
    answer: Ints
    asker: Ints
    learned: Bools
    seen_items: Ints
    item: Ints | None = None

    @property
    def shown(self) -> Bools:
        """(N, P) where there is an option."""
        return self.options != PAD_ID

    @cached_property
    def right(self) -> Ints:
        """(N,) the text of the right option."""
        return self.options[np.arange(len(self.options)), self.answer]

    @cached_property
    def chance(self) -> float:
        """The mean of 1 / options over the test's questions."""
        sizes = self.shown[~self.learned].sum(axis=1)
        return float((1 / sizes).mean()) if len(sizes) else float("nan")

    @cached_property
    def keys(self) -> Ints:
        """(T,) the same number for texts with the same letters."""
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(letters(text), len(numbers)) for text in self.texts], dtype=np.int64)


@dataclass(frozen=True)
class Written:
    """N rows whose answers are written, not chosen: lists of items, or one text each.

    Attributes
    ----------
    texts
        T different items or answers.
    given
        (G, 2) rows and the texts that their answers give, rows in order; a row that gives none has no truth.
    asker, learned
        (N,) as in `MultipleChoiceSet`.
    """

    texts: Sequence[str]
    given: Ints
    asker: Ints
    learned: Bools


@dataclass(frozen=True)
class Outcome:
    """What a run made of N test cases.

    Attributes
    ----------
    metric
        Name of what ``own`` and ``swapped`` hold: ``accuracy`` or ``recall@10``.
    own, swapped
        (N,) in [0, 1], with the user's own and with another's history.
    chance
        What guessing gets.
    tied
        (N,) whether the target shares its moment with a neighbour.
    ranks
        For each method (N,) the rank of the right item among the whole catalogue, from 1.
    catalogue
        How many items were ranked.
    cut
        Share of the training examples and of the test prompts that were cut, by name.
    transitions
        (E, 2) pairs of items, from the earlier to the later, that a statistic of the run knows; None: it has none.
    known
        (I,) items that the run counts as bought; None: it does not say.
    """

    metric: str
    own: Floats
    swapped: Floats | None
    chance: float
    tied: Bools
    ranks: Mapping[str, Ints]
    catalogue: int = 0
    cut: Mapping[str, float] | None = None
    transitions: Ints | None = None
    known: Bools | None = None


@dataclass(frozen=True)
class Evidence:
    """Everything that is at hand; a check that finds what it needs missing says nothing."""

    log: Log | None = None
    choice_set: MultipleChoiceSet | None = None
    outcome: Outcome | None = None
    texts: Sequence[tuple[str, str]] = ()
    seed: int = 1
    written: Written | None = None
