"""Sequences of histories and cases over arrays of interactions; each element is built when it is accessed."""

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

#: Indices into ``schema.PARTS``.
TRAIN, VALIDATION, TEST = 0, 1, 2


def case_rows(position: Ints, part: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Which rows are the (first) target of a case, and so have candidates.

    Parameters
    ----------
    position
        (R,) index in the user's history, from 0; the rows of a user are contiguous.
    part
        (R,) index into ``schema.PARTS``.

    Returns
    -------
    array
        (R,) True for each training row except a user's first, and for the first validation and test row of each user.
    """
    starts_run = np.ones(len(part), dtype=np.bool_)
    starts_run[1:] = (part[1:] != part[:-1]) | (position[1:] == 0)
    in_training = (part == TRAIN) & (position > 0)
    return in_training | (((part == VALIDATION) | (part == TEST)) & starts_run)


@dataclass(frozen=True)
class CandidateArrays:
    """The candidates of all C cases.

    ``options`` (C, n) are codes of items, ``answer`` (C,) is the index of the right option, and ``case_number`` (R,) is
    the index of the case whose first target is a row.
    """

    options: NDArray[np.int32]
    answer: NDArray[np.int8]
    case_number: Ints


@dataclass(frozen=True)
class Rows:
    """All R interactions of U users with I items, sorted by user and time; strings are shared with the catalogue.

    ``users``, ``start`` and ``end`` (the row after a user's last) are (U,). ``item_ids``, ``titles`` and ``raw_titles``
    are of length I; ``raw_titles`` is None unless distractors show them. All other arrays are (R,); ``item`` is the id
    and ``code`` its index in ``item_ids``.
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
    item_ids: list[str]
    titles: list[str]
    raw_titles: list[str] | None
    candidates: CandidateArrays | None

    def history(self, user: int, start: int, end: int) -> History:
        """The rows from ``start`` to ``end`` (excluded) as a history."""
        reviews = () if self.review is None else tuple(self.review[start:end].tolist())
        return History(self.users[user], tuple(self.item[start:end].tolist()), reviews)

    def case(self, user: int, row: int, end: int) -> EvalExample:
        """The case with the user's rows before ``row`` as history and the rows from ``row`` to ``end`` as targets."""
        start = int(self.start[user])
        candidates, answer = self._options(row)
        rating = float(self.rating[row])
        tied_before = row > start and self.time[row] == self.time[row - 1]
        tied_after = end < self.end[user] and self.time[end - 1] == self.time[end]
        return EvalExample(
            history=self.history(user, start, row),
            targets=tuple(self.item[row:end].tolist()),
            candidates=candidates,
            answer=answer,
            rating=None if math.isnan(rating) else rating,
            tied=bool(tied_before or tied_after),
            target_reviews=() if self.review is None else tuple(self.review[row:end].tolist()),
        )

    def _options(self, row: int) -> tuple[Candidates | None, int | None]:
        """The candidates of the case whose first target is ``row``, and the index of the right one."""
        if self.candidates is None:
            return None, None
        case = self.candidates.case_number[row]
        codes, answer = self.candidates.options[case].tolist(), int(self.candidates.answer[case])
        titles = [(self.raw_titles or self.titles)[code] for code in codes]
        titles[answer] = self.titles[codes[answer]]
        return Candidates(tuple([self.item_ids[code] for code in codes]), tuple(titles)), answer


class _LazySequence(Sequence[T]):
    """A sequence whose elements are built from one number of each of several arrays; so are its slices."""

    def __init__(self, rows: Rows, *columns: Ints) -> None:
        self._rows = rows
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns[0])

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return type(self)(self._rows, *(column[index] for column in self._columns))
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._build(*(int(column[index]) for column in self._columns))

    def __iter__(self) -> Iterator[T]:
        for numbers in zip(*(column.tolist() for column in self._columns), strict=True):
            yield self._build(*numbers)

    def _build(self, *numbers: int) -> T:
        """One element, from its number in each column."""
        raise NotImplementedError


class Cases(_LazySequence[EvalExample]):
    """C cases, given by user (C,), row of the first target (C,) and row after the last target (C,)."""

    def _build(self, *numbers: int) -> EvalExample:
        return self._rows.case(*numbers)


class Sealed(Sequence[EvalExample]):
    """The test cases of a sealed dataset: every access, and their number, is an error."""

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


class Histories(_LazySequence[History]):
    """H histories, given by user (H,), first row (H,) and row after the last (H,)."""

    def _build(self, *numbers: int) -> History:
        return self._rows.history(*numbers)


def all_histories(rows: Rows) -> Histories:
    """The whole history of every user."""
    return Histories(rows, np.arange(len(rows.users)), rows.start, rows.end)


def part_cases(rows: Rows, part: int) -> Cases:
    """The cases of validation or test: consecutive rows of that part are the targets of one case."""
    first = np.flatnonzero(case_rows(rows.position, rows.part) & (rows.part == part))
    user = _users_of(rows, first)
    outside = np.ones(len(rows.part) + 1, dtype=np.bool_)
    outside[:-1] = rows.part != part
    rows_outside = np.flatnonzero(outside)
    end = np.minimum(rows_outside[np.searchsorted(rows_outside, first)], rows.end[user])
    return Cases(rows, user, first, end)


def train_histories(rows: Rows) -> Histories:
    """The training rows of each user that has some; they always come first."""
    training_rows = np.concatenate([[0], np.cumsum(rows.part == TRAIN)])
    count = training_rows[rows.end] - training_rows[rows.start]
    user = np.flatnonzero(count)
    return Histories(rows, user, rows.start[user], rows.start[user] + count[user])


def train_cases(rows: Rows, *, every: bool, after: int) -> Cases:
    """Training rows as cases.

    Parameters
    ----------
    rows
        The interactions.
    every
        Whether each training row but a user's first is a target, or only one row of each user.
    after
        Without ``every``: the position of that row (as in the test), or 0 for the user's last training row.
    """
    asked = (rows.part == TRAIN) & (rows.position > 0)
    if not every and after:
        asked &= rows.position == after
    row = np.flatnonzero(asked)
    user = _users_of(rows, row)
    if not every and not after and len(row):
        last = np.append(user[1:] != user[:-1], True)
        row, user = row[last], user[last]
    return Cases(rows, user, row, row + 1)


def _users_of(rows: Rows, row: Ints) -> Ints:
    """The user of each row."""
    return np.searchsorted(rows.start, row, side="right") - 1
