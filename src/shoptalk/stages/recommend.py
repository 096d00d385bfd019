"""Recommending from a run's folder."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoptalk.data.dataset import Dataset
from shoptalk.errors import UsageError
from shoptalk.prompts.tasks import Teller
from shoptalk.recommend.constrained import TitleRecommender
from shoptalk.recommend.filters import Filters, Shelf
from shoptalk.recommend.index import open_index
from shoptalk.recommend.items import ItemRecommender
from shoptalk.recommend.listing import ListRecommender
from shoptalk.recommend.match import match_items
from shoptalk.recommend.options import Notify
from shoptalk.recommend.ranking import Reason, explain, rank
from shoptalk.runs import Run, open_run
from shoptalk.schema import Catalogue, History, RankedList
from shoptalk.stages.opening import open_run_dataset
from shoptalk.stages.progress import Progress
from shoptalk.stages.recommender import open_recommender

#: Titles up to which each is scored; more are searched, with so many beams.
FEW, BEAMS = 300, 100


def recommend(
    folder: Path,
    progress: Progress,
    *,
    user: str | None,
    typed: Sequence[str] = (),
    options: Sequence[str] = (),
    k: int = 10,
    why: bool = False,
    filters: Filters | None = None,
    repeats: bool = False,
) -> dict[str, Any]:
    """The k best products for a known user, or for a history of titles or ids typed in, as ``--json`` prints them.

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
    model = _open(run, shop)
    if why and isinstance(model, ListRecommender):
        raise UsageError("a model that writes lists has no score of a product to explain", hint="leave --explain out")
    begin = time.perf_counter()
    items = model.items if isinstance(model, ItemRecommender) else list(shop.catalogue)
    choice = choose(items, shop.catalogue, history, named, filters or Filters(), repeats)
    ranked = _best(model, history, choice, k, lambda done, of: progress("recommend", done, of, ""))
    warnings = shortfall(len(ranked.items), k, choice.count)
    shown = choice.open if named else ()  # a model that chooses was shown them all
    reasons = explain(model, history, ranked, shown) if why else [[] for _ in ranked.items]
    return {
        "user": user,
        "items": _rows(model.teller, history, ranked, reasons),
        "history": [{"item_id": item, "title": shop.catalogue[item].title} for item in history.items],
        "allowed": choice.count,
        "warnings": warnings,
        "seconds": time.perf_counter() - begin,
    }


def shortfall(given: int, k: int, allowed: int) -> list[str]:
    """What to say where fewer products are recommended than were asked for; nothing where none is missing."""
    if given >= k:
        return []
    if given == allowed:
        return [f"only {given} of the {k} products asked for: no more may be recommended"]
    return [f"only {given} of the {k} products asked for, though {allowed} may be recommended: products of one title "
            "count as one, and those without words cannot be named"]  # fmt: skip


def _open(run: Run, shop: Dataset) -> Any:
    """The run's model, with an index of its items where there are very many."""
    model = open_recommender(run, shop)
    if isinstance(model, ItemRecommender):
        model.index = open_index(run.model, model.table)
    return model


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
    held
        What the history holds, if that matters.
    """

    items: Sequence[str]
    mask: NDArray[np.bool_] | None
    repeats: bool
    held: frozenset[str]

    @property
    def passing(self) -> Sequence[str]:
        """Ids that the filters let pass."""
        return self.items if self.mask is None else [self.items[place] for place in np.flatnonzero(self.mask).tolist()]

    @property
    def count(self) -> int:
        """How many products may be recommended."""
        return len(self.passing) - len(self.held.intersection(self.passing))

    @property
    def open(self) -> list[str]:
        """Ids of the products that may be recommended."""
        return [item for item in self.passing if item not in self.held]


def choose(
    items: Sequence[str], catalogue: Catalogue, history: History, named: Sequence[str], filters: Filters, repeats: bool
) -> Choice:
    """What is left of a catalogue for a history: of the named products, or of all, what the filters let pass.

    Raises
    ------
    UsageError
        For filters that the catalogue cannot answer, or that let nothing pass.
    """
    shelf = Shelf(items, catalogue)
    shelf.check(filters)
    masks = [shelf.allowed(filters), shelf.allowed(Filters(allow=named)) if named else None]
    asked = [mask for mask in masks if mask is not None]
    again = repeats or bool(named)
    held = frozenset() if again else frozenset(history.items)
    choice = Choice(items, np.logical_and.reduce(asked) if asked else None, again, held)
    if not choice.count:
        raise UsageError("no product is left to recommend", hint="loosen the filters, or add --repeats")
    return choice


def _best(model: Any, history: History, choice: Choice, k: int, notify: Notify) -> RankedList:
    """The k best: in one pass over item tokens, written as a list, searched among titles, or each product scored."""
    ranked: RankedList
    if isinstance(model, ItemRecommender):
        ranked = model.rank([history], k, allowed=choice.mask, repeats=choice.repeats)[0]
        return ranked
    among = choice.open
    narrow: dict[str, Any] = {"repeats": choice.repeats, "allowed": None if choice.mask is None else among}
    if isinstance(model, ListRecommender):
        ranked = model.rank([history], k, notify, **narrow)[0]
        return ranked
    if model.teller.prompt.task == "title" and len(among) > FEW:
        return TitleRecommender(model.model, model.teller, model.scoring, BEAMS).rank([history], k, notify, **narrow)[0]
    return rank(model, history, among, k, notify)


def _rows(
    teller: Teller, history: History, ranked: RankedList, reasons: Sequence[Sequence[Reason]]
) -> list[dict[str, Any]]:
    advised = teller.prompt.task == "advise"
    return [
        {
            "item_id": item,
            "title": teller.catalogue[item].title,
            "score": score,
            "because": [{"item_id": reason.item_id, "effect": reason.effect} for reason in because],
            **({"advice": teller.advice(history, item, as_listed=True)} if advised else {}),
        }
        for item, score, because in zip(ranked.items, ranked.scores, reasons, strict=True)
    ]
