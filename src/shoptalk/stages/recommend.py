"""Recommending from a run's folder."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shoptalk.errors import UsageError
from shoptalk.recommend.constrained import TitleRecommender
from shoptalk.recommend.listing import ListRecommender
from shoptalk.recommend.match import match_items
from shoptalk.recommend.options import Notify
from shoptalk.recommend.ranking import explain, rank
from shoptalk.runs import open_run
from shoptalk.schema import History, RankedList
from shoptalk.stages.opening import open_recommender, open_run_dataset
from shoptalk.stages.progress import Progress

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
) -> dict[str, Any]:
    """The k best products for a known user, or for a history of titles or ids typed in.

    Parameters
    ----------
    options
        Ids or titles to choose from; without any, all products that the history does not hold.
    why
        Also measure what each item of the history adds to a recommendation.

    Returns
    -------
    dict
        What ``shoptalk recommend --json`` prints.

    Raises
    ------
    ShoptalkError
        For an unknown user or title (with suggestions), or a run that is not trained.
    """
    if (user is None) == (not typed):
        raise UsageError("say whom to recommend to", hint="give either --user ID or --history TITLE_OR_ID ...")
    run = open_run(folder)
    shop = open_run_dataset(run)
    history = shop.history(user) if user is not None else History("", tuple(match_items(typed, shop.catalogue)))
    named = list(dict.fromkeys(match_items(options, shop.catalogue)))
    bought = set(history.items)
    among = named or [item for item in shop.catalogue if item not in bought]
    model: Any = open_recommender(run, shop)
    if why and isinstance(model, ListRecommender):
        raise UsageError(
            "a model that writes lists has no score of a single product to explain", hint="leave --explain out"
        )
    begin = time.perf_counter()
    ranked = _best(model, history, named, among, k, lambda done, of: progress("recommend", done, of, ""))
    reasons = explain(model, history, ranked, named) if why else [[] for _ in ranked.items]
    return {
        "user": user,
        "items": [
            {
                "item_id": item,
                "title": model.teller.title(item),
                "score": score,
                "because": [{"item_id": reason.item_id, "effect": reason.effect} for reason in because],
            }
            for item, score, because in zip(ranked.items, ranked.scores, reasons, strict=True)
        ],
        "history": [{"item_id": item, "title": model.teller.title(item)} for item in history.items],
        "seconds": time.perf_counter() - begin,
    }


def _best(
    model: Any, history: History, named: Sequence[str], among: Sequence[str], k: int, notify: Notify
) -> RankedList:
    """The k best: written as a list, searched among the titles, or by scoring each product."""
    if isinstance(model, ListRecommender):
        ranked: RankedList = model.rank([history], k, notify, repeats=bool(named), allowed=named or None)[0]
        return ranked
    if not named and model.teller.prompt.task == "title" and len(among) > FEW:
        return TitleRecommender(model.model, model.teller, model.scoring, BEAMS).rank([history], k, notify)[0]
    return rank(model, history, among, k, notify)
