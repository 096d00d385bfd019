"""Ranking by scores: the k best items, the rank of a target, and base classes of recommenders.

The rule for ties is the same everywhere: equal scores are in catalogue order.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from shoptalk.progress import Notify, quiet
from shoptalk.schema import Candidates, Catalogue, History, RankedList, Reason, Recommender

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Scores held at once (4 bytes each), which determines the number of histories per block.
BLOCK_SCORES = 16_000_000
#: Histories whose options are scored together.
BLOCK = 256


class CatalogueRecommender(ABC):
    """A `Recommender` that scores all items for a history: subclasses define ``score_all``.

    Attributes
    ----------
    name
        The name in reports.
    items
        Ids of the I items, in the order of the scores.
    history_limit
        The number of latest items of a history that a score depends on.
    score_unit
        What a score is: ``log-probability``, for instance.
    ranks_catalogue
        Whether ranking a large catalogue costs about as much as scoring a few options.
    """

    name: str
    items: Sequence[str]
    score_unit: str = "score"
    history_limit: float = math.inf
    ranks_catalogue: ClassVar[bool] = True

    @abstractmethod
    def score_all(self, histories: Sequence[History]) -> Floats:
        """Scores (B, I) of all items for B histories, including items of the history; higher is better."""

    @cached_property
    def item_index(self) -> Mapping[str, int]:
        """Item id to its column in the scores."""
        return {item: column for column, item in enumerate(self.items)}

    def score(
        self, histories: Sequence[History], candidates: Sequence[Candidates], notify: Notify = quiet
    ) -> list[NDArray[np.float64]]:
        """Scores of each history's options (see `Recommender`); an unknown item gets the lowest score, at most 0."""
        option_scores: list[NDArray[np.float64]] = []
        for start in range(0, len(histories), BLOCK):
            scores = self.score_all(histories[start : start + BLOCK])
            for row, options in zip(scores, candidates[start : start + BLOCK], strict=True):
                columns = np.array([self.item_index.get(item, -1) for item in options.items], dtype=np.int64)
                lowest = row.min(initial=0) if (columns < 0).any() else 0
                option_scores.append(np.where(columns < 0, lowest, row[columns] if len(row) else 0).astype(np.float64))
            notify(len(option_scores), len(histories))
        return option_scores

    def rank(
        self,
        histories: Sequence[History],
        k: int,
        *,
        allowed: Bools | None = None,
        exclude_history: bool = True,
        targets: Sequence[str] | None = None,
        notify: Notify = quiet,
    ) -> list[RankedList]:
        """The k best items of each history (see `Recommender`), from one array of scores for a block of histories."""
        lists = rank_by_scores(self, histories, k, allowed, exclude_history, targets, notify)
        return list(lists)

    def explain(
        self, history: History, items: Sequence[str], candidates: Candidates | None = None
    ) -> list[list[Reason]]:
        """The effect of each item of the history on the score of each recommended item (see `explain_by_removal`)."""
        options = candidates or Candidates(tuple(items), ("",) * len(items))
        return explain_by_removal(self, history, items, options, self.history_limit)


class OptionRecommender(ABC):
    """A `Recommender` that scores options, and ranks a catalogue by scoring all of it as options.

    Attributes
    ----------
    name
        The name in reports.
    catalogue
        The items by their ids.
    history_limit
        The number of latest items of a history that a score depends on.
    options_per_question
        Number of options scored together; None if a score depends on all options of its question.
    score_unit, ranks_catalogue
        See `CatalogueRecommender`.
    """

    name: str
    score_unit: str = "score"
    catalogue: Catalogue
    history_limit: float = math.inf
    options_per_question: int | None = 4096
    ranks_catalogue: ClassVar[bool] = False

    @abstractmethod
    def score(
        self, histories: Sequence[History], candidates: Sequence[Candidates], notify: Notify = quiet
    ) -> list[NDArray[np.float64]]:
        """Scores of each history's options (see `Recommender`)."""

    @property
    def items(self) -> Sequence[str]:
        """Ids of the I items, in catalogue order."""
        return tuple(self.catalogue)

    def title(self, item_id: str) -> str:
        """The title that is shown for an option."""
        return self.catalogue[item_id].title

    def options(self, items: Sequence[str]) -> Candidates:
        """Items of the catalogue as options."""
        return Candidates(tuple(items), tuple(map(self.title, items)))

    def rank(
        self,
        histories: Sequence[History],
        k: int,
        *,
        allowed: Bools | None = None,
        exclude_history: bool = True,
        targets: Sequence[str] | None = None,
        notify: Notify = quiet,
    ) -> list[RankedList]:
        """The k best items of each history (see `Recommender`), each allowed item scored as an option."""
        item_ids = self.items
        allowed_items = (
            item_ids if allowed is None else [item_ids[column] for column in np.flatnonzero(allowed).tolist()]
        )
        lists = []
        for index, history in enumerate(histories):
            excluded = frozenset(history.items) if exclude_history else frozenset()
            items = [item for item in allowed_items if item not in excluded]
            size = self.options_per_question or max(1, len(items))
            option_groups = [items[start : start + size] for start in range(0, len(items), size)]
            group_scores = self.score(
                [history] * len(option_groups), [self.options(options) for options in option_groups]
            )
            scores = np.concatenate(group_scores) if group_scores else np.empty(0)
            best = top_k(scores[None], k)[0]
            rank = target_rank(scores, items.index(targets[index])) if targets and targets[index] in items else None
            lists.append(
                RankedList(history.user_id, tuple(items[column] for column in best), tuple(scores[best].tolist()), rank)
            )
            notify(index + 1, len(histories))
        return lists

    def explain(
        self, history: History, items: Sequence[str], candidates: Candidates | None = None
    ) -> list[list[Reason]]:
        """The effect of each item of the history on the score of each recommended item (see `explain_by_removal`)."""
        return explain_by_removal(self, history, items, candidates or self.options(items), self.history_limit)


def rank_by_scores(
    recommender: CatalogueRecommender,
    histories: Sequence[History],
    k: int,
    allowed: Bools | None = None,
    exclude_history: bool = True,
    targets: Sequence[str] | None = None,
    notify: Notify = quiet,
) -> Iterator[RankedList]:
    """The k best items of the whole catalogue, block by block; fewer if fewer are allowed."""
    index = recommender.item_index
    block_size = max(1, BLOCK_SCORES // max(1, len(index)))
    for start in range(0, len(histories), block_size):
        block = histories[start : start + block_size]
        scores = np.array(recommender.score_all(block), dtype=np.float32)  # a copy: it is written to
        if allowed is not None:
            scores[:, ~allowed] = -np.inf
        if exclude_history:
            rows, columns = history_entries(block, index)
            scores[rows, columns] = -np.inf
        target_columns = (
            [index.get(item) for item in targets[start : start + block_size]] if targets else [None] * len(block)
        )
        for history, row, best, column in zip(block, scores, top_k(scores, k), target_columns, strict=True):
            recommended = best[np.isfinite(row[best])]
            yield RankedList(
                history.user_id,
                tuple(recommender.items[column_index] for column_index in recommended.tolist()),
                tuple(row[recommended].tolist()),
                None if column is None or not np.isfinite(row[column]) else target_rank(row, column),
            )
        notify(start + len(block), len(histories))


def target_rank(scores: NDArray[np.floating], column: int) -> int:
    """Rank of one column among the scores (I,), from 1; of equal scores the earlier column comes first."""
    target = scores[column]
    return 1 + int((scores > target).sum()) + int((scores[:column] == target).sum())


def history_entries(histories: Sequence[History], index: Mapping[str, int]) -> tuple[Ints, Ints]:
    """Rows and columns of the items of the histories, in a matrix of scores."""
    entries = [(row, index[item]) for row, history in enumerate(histories) for item in history.items if item in index]
    pairs = np.array(entries, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def top_k(scores: NDArray[np.floating], k: int) -> Ints:
    """Columns of the k highest scores of each row, (B, I) to (B, min(k, I)), the highest first; ties by the column."""
    count = scores.shape[1]
    k = min(k, count)
    if k == 0:
        return np.empty((len(scores), 0), dtype=np.int64)
    # Scores above the k-th highest are taken, then columns with an equal score in their order.
    thresholds = np.partition(scores, count - k, axis=1)[:, count - k]
    result = np.empty((len(scores), k), dtype=np.int64)
    for row, (values, threshold) in enumerate(zip(scores, thresholds, strict=True)):
        higher = np.flatnonzero(values > threshold)
        equal = np.flatnonzero(values == threshold)[: k - len(higher)]
        chosen = np.concatenate([higher, equal])
        result[row] = chosen[np.lexsort((chosen, -values[chosen]))]
    return result


def explain_by_removal(
    recommender: Recommender, history: History, items: Sequence[str], options: Candidates, history_limit: float
) -> list[list[Reason]]:
    """For each recommended item, the items of the history by their effect on its score, the largest first.

    See `removal_effects` for the parameters and the effect.
    """
    positions, effects = removal_effects(recommender, history, items, options, history_limit)
    return [
        sorted(
            (Reason(history.items[position], effect) for position, effect in zip(positions, column, strict=True)),
            key=lambda reason: -reason.effect,
        )
        for column in effects.T.tolist()
    ]


def removal_effects(
    recommender: Recommender, history: History, items: Sequence[str], options: Candidates, history_limit: float
) -> tuple[range, NDArray[np.float64]]:
    """What each item of the history adds to the score of each recommended item.

    The effect is the score minus the score without the item of the history. All removals are scored in one call.

    Parameters
    ----------
    options
        The options that are scored; they include the recommended items.
    history_limit
        Number of latest items that are removed; a score does not depend on older ones.

    Returns
    -------
    positions, effects
        The n positions in the history that are removed, and the effects (n, k) on the k items.
    """
    positions = range(int(max(0, len(history.items) - history_limit)), len(history.items))
    reduced = [keep_items(history, (kept for kept in range(len(history.items)) if kept != gone)) for gone in positions]
    scores = np.stack(recommender.score([history, *reduced], [options] * (len(reduced) + 1)))
    column = {item: index for index, item in enumerate(options.items)}
    wanted = scores[:, [column[item] for item in items]]
    return positions, wanted[0] - wanted[1:]


def keep_items(history: History, positions: Iterable[int]) -> History:
    """A history with the items at some positions only, and their reviews."""
    kept = list(positions)
    reviews = tuple(history.reviews[position] for position in kept) if history.reviews else ()
    return History(history.user_id, tuple(history.items[position] for position in kept), reviews)
