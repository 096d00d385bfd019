"""Rows of a benchmark file as columns: what the checks of other systems' files see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from shoptalk.evaluation.id_map import Bools, IdMap, Ints

#: Kinds of rows, by their answers: a label such as yes or no, one of several options, or an item or text.
LABEL, OPTIONS, OPEN = range(3)
#: Histories that have this share of their items in common belong to one user, where the file does not name users.
_SAME_USER = 0.5


@dataclass(frozen=True)
class TokenCounts:
    """Lengths of M rows in tokens of a stated tokenizer, and a stated maximum length.

    ``row`` is (M,) the numbers of the rows, ``prompt`` and ``answer`` are (M,) numbers of tokens.
    """

    tokenizer: str
    most: int
    row: Ints
    prompt: Ints
    answer: Ints


@dataclass(frozen=True)
class Benchmark:
    """N rows of one or more files.

    Attributes
    ----------
    where
        File and line of each row.
    prompt, answer, user
        Texts; the prompt is empty where a file has columns instead, the user where none is named.
    kind
        (N,) ``LABEL``, ``OPTIONS`` or ``OPEN``.
    in_training
        (N,) whether a row is for training; None if there is only one part.
    history, options
        Items of the history and options of each row, as texts.
    history_is_parsed
        (N,) whether ``history`` has the items one by one, and not one text with all of them.
    target
        The item that the row is about; empty if unknown.
    right
        (N,) index of the right option; -1 without options.
    ids
        Item ids of the history and, last, of the target; empty where the file has none.
    segments
        By name, a part of each prompt; empty where a row lacks it.
    sampled
        Names of the files of which only a random sample of the rows was read.
    unread_options
        Number of rows whose prompt announces options that could not be told apart.
    tokens
        Lengths in tokens; None: not counted.
    """

    where: Sequence[str]
    prompt: Sequence[str]
    answer: Sequence[str]
    user: Sequence[str]
    kind: Ints
    in_training: Bools | None
    history: Sequence[tuple[str, ...]]
    history_is_parsed: Bools
    options: Sequence[tuple[str, ...]]
    target: Sequence[str]
    right: Ints
    ids: Sequence[tuple[str, ...]] = ()
    segments: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sampled: tuple[str, ...] = ()
    unread_options: int = 0
    tokens: TokenCounts | None = None

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.answer)

    @cached_property
    def has_users(self) -> bool:
        """Whether every row names its user."""
        return all(self.user) and len(self) > 0

    @cached_property
    def test(self) -> Ints:
        """(M,) the rows of the test, or all rows if there is only one part."""
        return np.arange(len(self)) if self.in_training is None else np.flatnonzero(~self.in_training)

    @cached_property
    def training(self) -> Ints:
        """(M,) the rows for training; none if there is only one part."""
        return np.zeros(0, dtype=np.int64) if self.in_training is None else np.flatnonzero(self.in_training)

    def rows_of(self, kind: int) -> Ints:
        """(M,) the rows of a kind."""
        return np.flatnonzero(self.kind == kind)

    @cached_property
    def labels(self) -> tuple[Ints, list[str]]:
        """(N,) the class of each row's answer (-1 for open answers), and the text of each class as the file writes it.

        The classes of options are their positions.
        """
        rows = self.rows_of(LABEL)
        keys = [normalised(self.answer[row]) for row in rows.tolist()]
        written = {key: self.answer[row].strip() for key, row in reversed(list(zip(keys, rows.tolist(), strict=True)))}
        codes = IdMap(sorted(written))
        label = np.full(len(self), -1, dtype=np.int64)
        label[rows] = [codes.of(key) for key in keys]
        label[self.kind == OPTIONS] = self.right[self.kind == OPTIONS]
        return label, [written[key] for key in codes.names]

    @cached_property
    def group(self) -> Ints:
        """(N,) a number per user; where users are not named, per run of rows whose histories overlap.

        Rows are compared with the row before them in the file; a row without history is a group of its own.
        """
        codes = IdMap([])
        if self.has_users:
            return np.array([codes.of(user) for user in self.user], dtype=np.int64)
        groups, previous = np.zeros(len(self), dtype=np.int64), frozenset[str]()
        for row, (history, is_parsed) in enumerate(zip(self.history, self.history_is_parsed.tolist(), strict=True)):
            items = frozenset(history) if is_parsed else frozenset[str]()
            common = len(items & previous) / max(1, min(len(items), len(previous)))
            same = row > 0 and min(len(items), len(previous)) > 1 and common > _SAME_USER
            groups[row] = groups[row - 1] + (not same) if row else 0
            previous = items
        return groups


def normalised(text: str) -> str:
    """A short answer or a title without quotes, final punctuation and differences in case and white space."""
    return " ".join(text.split()).strip("\"'“”.,!? ").casefold()
