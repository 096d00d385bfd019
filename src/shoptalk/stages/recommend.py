"""Recommending from a run's folder."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoptalk.constants import DEFAULT_K
from shoptalk.errors import UsageError
from shoptalk.progress import Progress
from shoptalk.recommend.filters import Filters, ItemFilterIndex
from shoptalk.recommend.match import match_items
from shoptalk.results import HistoryEffect, HistoryItem, RecommendedItem, RecommendResult
from shoptalk.runs import open_run
from shoptalk.schema import Candidates, Catalogue, History, RankedList, Reason
from shoptalk.stages.load_dataset import open_run_dataset
from shoptalk.stages.recommender import open_recommender
from shoptalk.tasks import get_task


def recommend(
    folder: Path,
    progress: Progress,
    *,
    user: str | None,
    typed: Sequence[str] = (),
    options: Sequence[str] = (),
    k: int = DEFAULT_K,
    why: bool = False,
    filters: Filters | None = None,
    repeats: bool = False,
) -> RecommendResult:
    """The k best products for a known user, or for a history of titles or ids typed in.

    Parameters
    ----------
    options
        Ids or titles to choose from; without any, all products that the history does not hold.
    why
        Also measure what each item of the history adds to a recommendation.
    filters, repeats
        What may be recommended at all, and whether that includes what the history holds.

    Raises
    ------
    ShoptalkError
        For an unknown user or title (with suggestions), a run that is not trained, filters that leave nothing.
    """
    if (user is None) == (not typed):
        raise UsageError("say whom to recommend to", hint="give either --user ID or --history TITLE_OR_ID ...")
    run = open_run(folder)
    shop = open_run_dataset(run)
    history = shop.history(user) if user is not None else History("", tuple(match_items(typed, shop.catalogue)))
    named = list(dict.fromkeys(match_items(options, shop.catalogue)))
    model: Any = open_recommender(run, shop)
    if why and not hasattr(model, "explain"):
        raise UsageError("this recommender cannot explain its scores", hint="leave --explain out")
    begin = time.perf_counter()
    choice = choose(model.items, shop.catalogue, history, named, filters or Filters(), repeats)
    ranked = model.rank(
        [history], k, allowed=choice.mask, exclude_history=not choice.repeats,
        notify=lambda done, of: progress("recommend", done, of, ""),
    )[0]  # fmt: skip
    options = choice.open if named else ()  # a model that chooses was shown them all
    reasons = _reasons(model, shop.catalogue, history, ranked, options) if why else [[] for _ in ranked.items]
    written = get_task(run.recipe.prompt.task).recommendation_texts(model.builder, history, ranked)
    return RecommendResult(
        user=user,
        items=tuple(_rows(shop.catalogue, ranked, reasons, written)),
        history=tuple(HistoryItem(item, shop.catalogue[item].title) for item in history.items),
        allowed=choice.count,
        warnings=tuple(shortfall(len(ranked.items), k, choice.count)),
        seconds=time.perf_counter() - begin,
    )


def _reasons(
    model: Any, catalogue: Catalogue, history: History, ranked: RankedList, options: Sequence[str]
) -> list[list[Reason]]:
    """What each item of the history adds to each recommended item; ``options`` are all that the model was shown."""
    shown = Candidates(tuple(options), tuple(catalogue[item].title for item in options)) if options else None
    reasons: list[list[Reason]] = model.explain(history, ranked.items, shown)
    return reasons


def shortfall(given: int, k: int, allowed: int) -> list[str]:
    """What to say where fewer products are recommended than were asked for; nothing where none is missing."""
    if given >= k:
        return []
    if given == allowed:
        return [f"only {given} of the {k} products asked for: no more may be recommended"]
    return [f"only {given} of the {k} products asked for, though {allowed} may be recommended: products of one title "
            "count as one, and those without words cannot be named"]  # fmt: skip


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
    asked = [mask for mask in masks if mask is not None]
    again = repeats or bool(named)
    seen_items = frozenset() if again else frozenset(history.items)
    choice = Choice(items, np.logical_and.reduce(asked) if asked else None, again, seen_items)
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
