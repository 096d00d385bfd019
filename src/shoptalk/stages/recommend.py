"""Recommend from a trained run."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shoptalk.constants import DEFAULT_K
from shoptalk.errors import UsageError
from shoptalk.progress import Progress
from shoptalk.recommend.filters import Filters, ItemFilterIndex
from shoptalk.recommend.match import match_items
from shoptalk.results import HistoryEffect, HistoryItem, RecommendedItem, RecommendResult, SourceEffect
from shoptalk.schema import Candidates, Catalogue, History, RankedList, Reason
from shoptalk.stages.trained_run import TrainedRun
from shoptalk.tasks import get_task


@dataclass(frozen=True, slots=True)
class RecommendRequest:
    """What is asked of a recommender: for whom, out of what, and how many.

    Attributes
    ----------
    users
        Users of the run's dataset; empty where ``histories`` are given.
    histories
        Titles or ids of purchased items for each history, oldest first.
    options
        Titles or ids to choose from; without any, all items.
    k
        Number of recommendations.
    explain
        Also measure the effect of each item of the history on each recommendation, and write its reason.
    filters
        What may be recommended.
    repeats
        Whether items of the history may be recommended.
    """

    users: Sequence[str] = ()
    histories: Sequence[Sequence[str]] = ()
    options: Sequence[str] = ()
    k: int = DEFAULT_K
    explain: bool = False
    filters: Filters = field(default_factory=Filters)
    repeats: bool = False


def recommend(trained: TrainedRun, request: RecommendRequest, progress: Progress) -> list[RecommendResult]:
    """The k best items for each known user, or for each history of titles or ids.

    Raises
    ------
    ShoptalkError
        For an unknown user or title (with suggestions), or filters that leave nothing.
    """
    catalogue, recommender = trained.dataset.catalogue, trained.recommender
    histories = _histories(trained, request)
    options = list(dict.fromkeys(match_items(request.options, catalogue)))
    if request.explain and not hasattr(recommender, "explain"):
        raise UsageError("this recommender cannot explain its scores", hint="leave --explain out")
    begin = time.perf_counter()
    allowed = allowed_items(recommender.items, catalogue, request.filters, options)
    choices = [choose(allowed, history, repeats=request.repeats or bool(options)) for history in histories]
    lists = recommender.rank(
        histories,
        request.k,
        allowed=allowed.mask,
        exclude_history=not (request.repeats or options),
        notify=lambda done, total: progress("recommend", done, total, ""),
    )
    task = get_task(trained.run.recipe.prompt.task)
    results = []
    for history, choice, ranked in zip(histories, choices, lists, strict=True):
        # A model that chooses was shown all options.
        explained = _explain(trained, history, ranked, choice.open if options else ()) if request.explain else None
        advice = task.recommendation_texts(recommender.builder, history, ranked)
        results.append(
            RecommendResult(
                user=history.user_id or None,
                items=tuple(_rows(catalogue, ranked, explained, advice)),
                history=tuple(HistoryItem(item, catalogue[item].title) for item in history.items),
                allowed=choice.count,
                warnings=tuple(shortfall(len(ranked.items), request.k, choice.count)),
                seconds=time.perf_counter() - begin,
                method=trained.run.ranking_method,
                unit=getattr(recommender, "score_unit", "score"),
            )
        )
    return results


def _histories(trained: TrainedRun, request: RecommendRequest) -> list[History]:
    if bool(request.users) == bool(request.histories):
        raise UsageError("say whom to recommend to", hint="give either users or histories")
    if request.users:
        return [trained.dataset.history(user) for user in request.users]
    catalogue = trained.dataset.catalogue
    return [History("", tuple(match_items(typed, catalogue))) for typed in request.histories]


@dataclass(frozen=True, slots=True)
class _Explained:
    """For each recommended item the effects of the purchases, the written reason, and the parts of the score."""

    effects: Sequence[Sequence[Reason]]
    reasons: Sequence[str | None]
    sources: Sequence[Mapping[str, float]]


def _explain(trained: TrainedRun, history: History, ranked: RankedList, options: Sequence[str]) -> _Explained:
    """Explain the recommended items; ``options`` are all that the model was shown, or none."""
    recommender, catalogue = trained.recommender, trained.dataset.catalogue
    shown = Candidates(tuple(options), tuple(catalogue[item].title for item in options)) if options else None
    effects = recommender.explain(history, ranked.items, shown)
    reasons = trained.reason_writer.write(recommender, history, ranked.items, effects, shown)
    sources: Sequence[Mapping[str, float]] = [{} for _ in ranked.items]
    if hasattr(recommender, "contributions"):
        sources = recommender.contributions(history, ranked.items)
    return _Explained(effects, reasons, sources)


def shortfall(given: int, k: int, allowed: int) -> list[str]:
    """The warning if fewer products are recommended than were asked for; none otherwise."""
    if given >= k:
        return []
    if given == allowed:
        return [f"only {given} of the {k} products asked for: no more may be recommended"]
    return [
        f"only {given} of the {k} products asked for, though {allowed} may be recommended: products with the same "
        "title count as one, and products without a title cannot be generated"
    ]


@dataclass(frozen=True)
class AllowedItems:
    """The items that may be recommended to anybody.

    Attributes
    ----------
    items
        Ids of all I items, in the order of the scores.
    mask
        (I,) which of them are allowed; None where all are.
    """

    items: Sequence[str]
    mask: NDArray[np.bool_] | None

    @cached_property
    def ids(self) -> Sequence[str]:
        """Ids of the allowed items."""
        return self.items if self.mask is None else [self.items[index] for index in np.flatnonzero(self.mask).tolist()]


@dataclass(frozen=True, slots=True)
class Choice:
    """The items that may be recommended to one history: the allowed ones but ``excluded``."""

    allowed: AllowedItems
    excluded: frozenset[str]

    @property
    def count(self) -> int:
        """How many items may be recommended."""
        return len(self.allowed.ids) - len(self.excluded.intersection(self.allowed.ids))

    @property
    def open(self) -> list[str]:
        """Ids of the items that may be recommended."""
        return [item for item in self.allowed.ids if item not in self.excluded]


def allowed_items(
    items: Sequence[str], catalogue: Catalogue, filters: Filters, options: Sequence[str] = ()
) -> AllowedItems:
    """The items of a catalogue, or those of the options, that pass the filters.

    Raises
    ------
    UsageError
        For filters that the catalogue cannot answer.
    """
    index = ItemFilterIndex(items, catalogue)
    index.check(filters)
    masks = [index.allowed(filters), index.allowed(Filters(allow=options)) if options else None]
    conditions = [mask for mask in masks if mask is not None]
    return AllowedItems(items, np.logical_and.reduce(conditions) if conditions else None)


def choose(allowed: AllowedItems, history: History, *, repeats: bool) -> Choice:
    """The items that may be recommended to a history.

    Raises
    ------
    UsageError
        If there are none.
    """
    choice = Choice(allowed, frozenset() if repeats else frozenset(history.items))
    if not choice.count:
        raise UsageError("no product is left to recommend", hint="loosen the filters, or add --repeats")
    return choice


def _rows(
    catalogue: Catalogue, ranked: RankedList, explained: _Explained | None, advice: Sequence[str] | None
) -> list[RecommendedItem]:
    rows = [
        RecommendedItem(item, catalogue[item].title, score)
        for item, score in zip(ranked.items, ranked.scores, strict=True)
    ]
    if advice is not None:
        rows = [replace(row, advice=text) for row, text in zip(rows, advice, strict=True)]
    if explained is not None:
        rows = [
            replace(
                row,
                because=tuple(HistoryEffect(reason.item_id, reason.effect) for reason in explained.effects[number]),
                sources=tuple(SourceEffect(name, effect) for name, effect in explained.sources[number].items()),
                reason=explained.reasons[number],
            )
            for number, row in enumerate(rows)
        ]
    return rows
