"""Recommend from a trained run."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoptalk.constants import DEFAULT_K
from shoptalk.errors import UsageError
from shoptalk.progress import Progress
from shoptalk.recommend.filters import Filters, ItemFilterIndex
from shoptalk.recommend.match import match_items
from shoptalk.results import HistoryEffect, HistoryItem, RecommendedItem, RecommendResult
from shoptalk.schema import Candidates, Catalogue, History, RankedList, Reason
from shoptalk.stages.trained_run import TrainedRun
from shoptalk.tasks import get_task


@dataclass(frozen=True, slots=True)
class RecommendRequest:
    """What is asked of a recommender: for whom, out of what, and how many.

    Attributes
    ----------
    user
        A user of the run's dataset; None where ``history`` is given.
    history
        Titles or ids of purchased items, oldest first.
    options
        Titles or ids to choose from; without any, all items.
    k
        Number of recommendations.
    explain
        Also measure the effect of each item of the history on each recommendation.
    filters
        What may be recommended.
    repeats
        Whether items of the history may be recommended.
    """

    user: str | None = None
    history: Sequence[str] = ()
    options: Sequence[str] = ()
    k: int = DEFAULT_K
    explain: bool = False
    filters: Filters = field(default_factory=Filters)
    repeats: bool = False


def recommend(trained: TrainedRun, request: RecommendRequest, progress: Progress) -> RecommendResult:
    """The k best items for a known user, or for a history of titles or ids.

    Raises
    ------
    ShoptalkError
        For an unknown user or title (with suggestions), or filters that leave nothing.
    """
    if (request.user is None) == (not request.history):
        raise UsageError("say whom to recommend to", hint="give either --user ID or --history TITLE_OR_ID ...")
    catalogue, recommender = trained.dataset.catalogue, trained.recommender
    if request.user is not None:
        history = trained.dataset.history(request.user)
    else:
        history = History("", tuple(match_items(request.history, catalogue)))
    options = list(dict.fromkeys(match_items(request.options, catalogue)))
    if request.explain and not hasattr(recommender, "explain"):
        raise UsageError("this recommender cannot explain its scores", hint="leave --explain out")
    begin = time.perf_counter()
    choice = choose(recommender.items, catalogue, history, options, request.filters, request.repeats)
    ranked = recommender.rank(
        [history],
        request.k,
        allowed=choice.mask,
        exclude_history=not choice.repeats,
        notify=lambda done, total: progress("recommend", done, total, ""),
    )[0]
    reasons: Sequence[Sequence[Reason]] = [[] for _ in ranked.items]
    if request.explain:  # a model that chooses was shown all options
        reasons = _reasons(recommender, catalogue, history, ranked, choice.open if options else ())
    written = get_task(trained.run.recipe.prompt.task).written(recommender.builder, history, ranked)
    return RecommendResult(
        user=request.user,
        items=tuple(_rows(catalogue, ranked, reasons, written)),
        history=tuple(HistoryItem(item, catalogue[item].title) for item in history.items),
        allowed=choice.count,
        warnings=tuple(shortfall(len(ranked.items), request.k, choice.count)),
        seconds=time.perf_counter() - begin,
    )


def _reasons(
    recommender: Any, catalogue: Catalogue, history: History, ranked: RankedList, options: Sequence[str]
) -> list[list[Reason]]:
    """The effect of each item of the history on each recommended item; ``options`` are all that the model was shown."""
    shown = Candidates(tuple(options), tuple(catalogue[item].title for item in options)) if options else None
    reasons: list[list[Reason]] = recommender.explain(history, ranked.items, shown)
    return reasons


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


@dataclass(frozen=True, slots=True)
class Choice:
    """The products that may be recommended to one history.

    Attributes
    ----------
    items
        Ids of all I items, in the order of the model's scores.
    mask
        (I,) which of them may be; None where all may.
    repeats
        Whether what the history holds may be.
    seen_items
        What the history holds, if that matters.
    """

    items: Sequence[str]
    mask: NDArray[np.bool_] | None
    repeats: bool
    seen_items: frozenset[str]

    @property
    def passing(self) -> Sequence[str]:
        """Ids that the filters let pass."""
        return self.items if self.mask is None else [self.items[index] for index in np.flatnonzero(self.mask).tolist()]

    @property
    def count(self) -> int:
        """How many products may be recommended."""
        return len(self.passing) - len(self.seen_items.intersection(self.passing))

    @property
    def open(self) -> list[str]:
        """Ids of the products that may be recommended."""
        return [item for item in self.passing if item not in self.seen_items]


def choose(
    items: Sequence[str], catalogue: Catalogue, history: History, named: Sequence[str], filters: Filters, repeats: bool
) -> Choice:
    """What is left of a catalogue for a history: of the named products, or of all, what the filters let pass.

    Raises
    ------
    UsageError
        For filters that the catalogue cannot answer, or that let nothing pass.
    """
    filter_index = ItemFilterIndex(items, catalogue)
    filter_index.check(filters)
    masks = [filter_index.allowed(filters), filter_index.allowed(Filters(allow=named)) if named else None]
    given_masks = [mask for mask in masks if mask is not None]
    repeats = repeats or bool(named)
    seen_items = frozenset() if repeats else frozenset(history.items)
    choice = Choice(items, np.logical_and.reduce(given_masks) if given_masks else None, repeats, seen_items)
    if not choice.count:
        raise UsageError("no product is left to recommend", hint="loosen the filters, or add --repeats")
    return choice


def _rows(
    catalogue: Catalogue, ranked: RankedList, reasons: Sequence[Sequence[Reason]], written: Sequence[str] | None
) -> list[RecommendedItem]:
    return [
        RecommendedItem(
            item_id=item,
            title=catalogue[item].title,
            score=score,
            because=tuple(HistoryEffect(reason.item_id, reason.effect) for reason in reasons[number]),
            advice=None if written is None else written[number],
        )
        for number, (item, score) in enumerate(zip(ranked.items, ranked.scores, strict=True))
    ]
