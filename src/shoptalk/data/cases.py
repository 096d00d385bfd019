"""Histories and cases made when they are looked at, from a few arrays: opening a million cases costs nothing."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from shoptalk.errors import DatasetError
from shoptalk.schema import Candidates, EvalExample, History

Ints = NDArray[np.int64]
T = TypeVar("T")

#: Places in ``schema.PARTS``.
TRAIN, VALIDATION, TEST = 0, 1, 2


def asked_rows(position: Ints, part: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Which rows are the (first) truth of a case, and so have candidates.

    Parameters
    ----------
    position
        (R,) place in the user's history, from 0; users follow each other whole.
    part
        (R,) number of the part, see ``schema.PARTS``.

    Returns
    -------
    array
        (R,) True for every training row but a user's first, and for the first row of each user's validation and test.
    """
    starts_run = np.ones(len(part), dtype=np.bool_)
    starts_run[1:] = (part[1:] != part[:-1]) | (position[1:] == 0)
    learned = (part == TRAIN) & (position > 0)
    return learned | (((part == VALIDATION) | (part == TEST)) & starts_run)


@dataclass(frozen=True)
class Frozen:
    """The candidates of all cases: (C, n) codes of items, (C,) place of the right one; ``at[row]`` counts cases."""

    options: NDArray[np.int32]
    answer: NDArray[np.int8]
    at: Ints


@dataclass(frozen=True)
class Rows:
    """All interactions, users one after the other, each in time order; strings are shared with the catalogue.

    ``item`` (the id), ``code`` (its place in ``names``) and all the others are (R,); ``users``, ``start`` and ``end``
    (the row after the last) are (U,); ``names``, ``titles`` and ``raw_titles`` are I long; ``raw_titles`` is None where
    options show the same titles.
    """

    users: NDArray[np.object_]
    start: Ints
    end: Ints
    item: NDArray[np.object_]
    code: NDArray[np.int32]
    time: NDArray[np.float64]
    position: Ints
    part: NDArray[np.int8]
    rating: NDArray[np.float64]
    review: NDArray[np.object_] | None
    names: list[str]
    titles: list[str]
    raw_titles: list[str] | None
    frozen: Frozen | None

    def history(self, user: int, start: int, end: int) -> History:
        """The rows from start up to end as one history."""
        reviews = () if self.review is None else tuple(self.review[start:end].tolist())
        return History(self.users[user], tuple(self.item[start:end].tolist()), reviews)

    def case(self, user: int, row: int, end: int) -> EvalExample:
        """What the user had before ``row``, with the rows from ``row`` up to ``end`` as truth."""
        start = int(self.start[user])
        candidates, answer = self._options(row)
        rating = float(self.rating[row])
        before = row > start and self.time[row] == self.time[row - 1]
        after = end < self.end[user] and self.time[end - 1] == self.time[end]
        return EvalExample(
            history=self.history(user, start, row),
            targets=tuple(self.item[row:end].tolist()),
            candidates=candidates,
            answer=answer,
            rating=None if math.isnan(rating) else rating,
            tied=bool(before or after),
            target_reviews=() if self.review is None else tuple(self.review[row:end].tolist()),
        )

    def _options(self, row: int) -> tuple[Candidates | None, int | None]:
        if self.frozen is None:
            return None, None
        number = self.frozen.at[row]
        codes, answer = self.frozen.options[number].tolist(), int(self.frozen.answer[number])
        titles = [(self.raw_titles or self.titles)[code] for code in codes]
        titles[answer] = self.titles[codes[answer]]
        return Candidates(tuple([self.names[code] for code in codes]), tuple(titles)), answer


class _Lazy(Sequence[T]):
    """A sequence over rows that are picked by index; a slice is again such a sequence."""

    def __init__(self, rows: Rows, *picked: Ints) -> None:
        self._rows = rows
        self._picked = picked

    def __len__(self) -> int:
        return len(self._picked[0])

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return type(self)(self._rows, *(array[index] for array in self._picked))
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._make(*(int(array[index]) for array in self._picked))

    def __iter__(self) -> Iterator[T]:
        for picked in zip(*(array.tolist() for array in self._picked), strict=True):
            yield self._make(*picked)

    def _make(self, *picked: int) -> T:
        raise NotImplementedError


class Cases(_Lazy[EvalExample]):
    """Cases by (C,) user, (C,) first row of the truth and (C,) row after it."""

    def _make(self, *picked: int) -> EvalExample:
        return self._rows.case(*picked)


class Sealed(Sequence[EvalExample]):
    """Test cases that are not there: whoever asks for one, or for their number, gets an error."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def __len__(self) -> int:
        raise self._error()

    @overload
    def __getitem__(self, index: int) -> EvalExample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[EvalExample]: ...
    def __getitem__(self, index: int | slice) -> EvalExample | Sequence[EvalExample]:
        raise self._error()

    def _error(self) -> DatasetError:
        return DatasetError(
            "the test is sealed until the sweep's winner is fixed",
            where=self._folder,
            hint="go on with shoptalk sweep --resume, which opens it in the end",
        )


class Histories(_Lazy[History]):
    """Histories by (H,) user, (H,) first row and (H,) row after the last."""

    def _make(self, *picked: int) -> History:
        return self._rows.history(*picked)


def all_histories(rows: Rows) -> Histories:
    """Everything that every user has."""
    return Histories(rows, np.arange(len(rows.users)), rows.start, rows.end)


def part_cases(rows: Rows, part: int) -> Cases:
    """The cases of validation or test: a run of rows of that part is one truth."""
    first = np.flatnonzero(asked_rows(rows.position, rows.part) & (rows.part == part))
    user = _user_of(rows, first)
    is_other = np.ones(len(rows.part) + 1, dtype=np.bool_)
    is_other[:-1] = rows.part != part
    others = np.flatnonzero(is_other)
    end = np.minimum(others[np.searchsorted(others, first)], rows.end[user])
    return Cases(rows, user, first, end)


def train_histories(rows: Rows) -> Histories:
    """What may be learned from: of each user the run of training rows, which always comes first."""
    learned = np.concatenate([[0], np.cumsum(rows.part == TRAIN)])
    count = learned[rows.end] - learned[rows.start]
    user = np.flatnonzero(count)
    return Histories(rows, user, rows.start[user], rows.start[user] + count[user])


def train_cases(rows: Rows, *, every: bool, after: int) -> Cases:
    """Training rows as questions.

    Parameters
    ----------
    rows
        The interactions.
    every
        Each training row but a user's first is a question, else one row of each user is.
    after
        With one question for each user: the row at this place (the test's protocol), or the last for 0.
    """
    asked = (rows.part == TRAIN) & (rows.position > 0)
    if not every and after:
        asked &= rows.position == after
    row = np.flatnonzero(asked)
    user = _user_of(rows, row)
    if not every and not after and len(row):
        last = np.append(user[1:] != user[:-1], True)
        row, user = row[last], user[last]
    return Cases(rows, user, row, row + 1)


def _user_of(rows: Rows, row: Ints) -> Ints:
    return np.searchsorted(rows.start, row, side="right") - 1
