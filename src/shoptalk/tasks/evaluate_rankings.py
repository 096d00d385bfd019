"""Evaluation of rankings of the whole catalogue: the model and the baselines on every test case."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from shoptalk.constants import DEFAULT_K
from shoptalk.evaluation.beyond_accuracy import describe, title_vectors
from shoptalk.evaluation.bootstrap import Floats, estimate
from shoptalk.evaluation.catalogue import KS, RankingHits, find, means
from shoptalk.evaluation.history_permutation import permutation_partners, personalisation_gap
from shoptalk.evaluation.id_map import Bools, IdMap, Ints, UserItemSets
from shoptalk.evaluation.metrics import tested_names
from shoptalk.evaluation.paired import compare_all
from shoptalk.evaluation.segments import Segments, by_items, by_users, length_groups, popularity_groups, segment_metrics
from shoptalk.results import EvaluationResult
from shoptalk.schema import Estimate, EvalExample, History, RankedList, Recommender
from shoptalk.tasks.evaluation import Columns, Evaluation, TaskResult

MODEL = "model"
#: Lists (N) by method: `MODEL` and the baselines that rank the catalogue.
Lists = dict[str, list[RankedList]]


@dataclass(frozen=True)
class RankingEvalData:
    """N test cases as arrays of item codes, and the settings of the bootstrap.

    Attributes
    ----------
    targets, seen_items
        The items that each case asks for, and the items of its history.
    tied
        (N,) whether the target has the same timestamp as another purchase.
    learned
        The items of each training history.
    vectors
        (I, T) TF-IDF vectors of the titles of the catalogue.
    settings
        Resamples and seed of the bootstrap.
    """

    cases: Sequence[EvalExample]
    codes: IdMap
    targets: UserItemSets
    seen_items: UserItemSets
    tied: Bools
    learned: Sequence[Sequence[str]]
    vectors: Any
    settings: dict[str, Any]

    @property
    def users(self) -> list[str]:
        """The user of each case."""
        return [case.history.user_id for case in self.cases]

    @property
    def purchases(self) -> Ints:
        """(M,) training purchases by item code; M grows if a list has items that are not in the catalogue."""
        codes = np.fromiter((self.codes.of(item) for items in self.learned for item in items), dtype=np.int64)
        return np.bincount(codes, minlength=len(self.codes))


def evaluate_rankings(evaluation: Evaluation) -> TaskResult:
    """Rank the catalogue for every test case, and compute the metrics of the lists of the model and the baselines.

    A warning names the baselines that only score options if the recipe has no options.
    """
    begin = time.perf_counter()
    eval_data = _eval_data(evaluation)
    ks = (DEFAULT_K, *sorted({*KS, evaluation.recipe.evaluation.k} - {DEFAULT_K}))
    lists = _rank_all(evaluation, eval_data, max(ks))
    written_rates = _written_rates(evaluation.recommender, len(eval_data.cases))
    tables = {name: eval_data.codes.table(_items(ranked), max(ks)) for name, ranked in lists.items()}
    purchases = eval_data.purchases
    hits = {name: find(table, eval_data.targets) for name, table in tables.items()}
    metrics = {name: _metrics(eval_data, tables[name], hits[name], ks, purchases) for name in lists}
    swapped = _rank_swapped(eval_data, evaluation)
    metrics[MODEL] |= means(written_rates, **eval_data.settings) | _swapped_metrics(eval_data, hits[MODEL], swapped)
    tested = {name: hits[name].metrics(DEFAULT_K, tested_names(DEFAULT_K)) for name in lists}
    result = EvaluationResult(
        metrics.pop(MODEL),
        metrics,
        versus=compare_all(tested.pop(MODEL), tested, **eval_data.settings),
        segments=segment_metrics(tables, _segmentations(eval_data, purchases), DEFAULT_K, **eval_data.settings),
        seconds={"rankings": time.perf_counter() - begin},
        warnings=_warnings(evaluation),
    )
    return TaskResult(result, _columns(eval_data, lists, swapped))


def _ranks_catalogue(baseline: Recommender) -> bool:
    return getattr(baseline, "ranks_catalogue", True)


def _warnings(evaluation: Evaluation) -> tuple[str, ...]:
    """Names the baselines that are left out, as they score options and there are none."""
    left_out = [name for name, baseline in evaluation.baselines.items() if not _ranks_catalogue(baseline)]
    if not left_out or evaluation.recipe.candidates is not None:
        return ()
    return (f"not compared, because they only score options: {', '.join(left_out)}",)


def _eval_data(evaluation: Evaluation) -> RankingEvalData:
    cases, codes = list(evaluation.cases), IdMap(evaluation.catalogue)
    return RankingEvalData(
        cases=cases,
        codes=codes,
        targets=codes.pairs([case.targets for case in cases]),
        seen_items=codes.pairs([case.history.items for case in cases]),
        tied=np.array([case.tied for case in cases], dtype=np.bool_),
        learned=[history.items for history in evaluation.fitted.train],
        vectors=title_vectors([item.title for item in evaluation.catalogue.values()]),
        settings=evaluation.bootstrap,
    )


def _rank_all(evaluation: Evaluation, eval_data: RankingEvalData, k: int) -> Lists:
    """The lists of the model and of the baselines that rank the catalogue, for the users' own histories."""
    histories = [case.history for case in eval_data.cases]
    targets = [case.targets[0] for case in eval_data.cases]
    lists = {MODEL: _rank(evaluation, evaluation.recommender, histories, k, "own histories", targets)}
    for name, baseline in evaluation.baselines.items():
        if _ranks_catalogue(baseline):
            lists[name] = _rank(evaluation, baseline, histories, k, name, targets)
    return lists


def _rank(
    evaluation: Evaluation,
    recommender: Recommender,
    histories: Sequence[History],
    k: int,
    message: str,
    targets: Sequence[str] | None = None,
) -> list[RankedList]:
    def notify(done: int, of: int) -> None:
        evaluation.progress("rankings", done, of, message)

    return list(recommender.rank(histories, k, targets=targets, notify=notify))


def _items(ranked: Sequence[RankedList]) -> list[Sequence[str]]:
    return [ranked_list.items for ranked_list in ranked]


def _written_rates(recommender: Any, cases: int) -> dict[str, Floats]:
    """(N,) shares that a model that writes lists counted in its raw output; empty for other models.

    The lists of such a model no longer contain the repeats and unknown items.
    """
    rates = {name: np.asarray(getattr(recommender, name, ())) for name in ("repeat_share", "invalid_share")}
    return {name: values for name, values in rates.items() if values.shape == (cases,)}


def _metrics(
    eval_data: RankingEvalData, table: Ints, hits: RankingHits, ks: Sequence[int], purchases: Ints
) -> dict[str, Estimate]:
    """The metrics of one method: accuracy at every k, on cold-start, tied and untied targets, and beyond accuracy."""
    accuracy = {name: values for k in ks for name, values in hits.metrics(k).items()}
    top = table[:, :DEFAULT_K]
    recall = hits.recall(DEFAULT_K)
    subsets = {
        f"tied_recall@{DEFAULT_K}": np.where(eval_data.tied, recall, np.nan),
        f"untied_recall@{DEFAULT_K}": np.where(eval_data.tied, np.nan, recall),
        f"cold_recall@{DEFAULT_K}": find(top, eval_data.targets.select(purchases == 0)).recall(DEFAULT_K),
    }
    coverage, by_list = describe(top, eval_data.seen_items, purchases, eval_data.vectors, eval_data.codes.size)
    with_k = ("novelty", "diversity")
    by_list = {f"{name}@{DEFAULT_K}" if name in with_k else name: values for name, values in by_list.items()}
    averages = means(accuracy | subsets | by_list, **eval_data.settings)
    # Coverage is no mean over users; its place is before the other properties of lists.
    names = [*accuracy, *subsets, f"coverage@{DEFAULT_K}", *by_list]
    return {name: averages.get(name, coverage) for name in names}


def _rank_swapped(eval_data: RankingEvalData, evaluation: Evaluation) -> list[RankedList]:
    """Lists of the model for the histories of other users; empty if there is only one user.

    The given history is excluded from its list, as a user's own history is, except for the targets of the case:
    otherwise the list could not contain them.
    """
    users = eval_data.users
    if len(set(users)) < 2:
        return []
    partners = permutation_partners(
        users,
        [case.history.items for case in eval_data.cases],
        [case.targets for case in eval_data.cases],
        seed=eval_data.settings["seed"],
    )
    histories = [
        _without(eval_data.cases[partner].history, case.targets)
        for case, partner in zip(eval_data.cases, partners.tolist(), strict=True)
    ]
    return _rank(evaluation, evaluation.recommender, histories, DEFAULT_K, "swapped histories")


def _swapped_metrics(
    eval_data: RankingEvalData, hits: RankingHits, swapped: Sequence[RankedList]
) -> dict[str, Estimate]:
    """Recall with the histories of other users, and the personalisation gap; ``hits`` are those of the own lists."""
    if not swapped:
        return {}
    users, table = eval_data.users, eval_data.codes.table(_items(swapped), DEFAULT_K)
    recall = find(table, eval_data.targets).recall(DEFAULT_K)
    return {
        f"swapped_recall@{DEFAULT_K}": estimate(recall, users=users, **eval_data.settings),
        "personalisation_gap": personalisation_gap(hits.recall(DEFAULT_K), recall, users, **eval_data.settings),
    }


def _without(history: History, items: Sequence[str]) -> History:
    """A history without some items."""
    if not set(history.items) & set(items):
        return history
    indices = [index for index, item in enumerate(history.items) if item not in items]
    reviews = tuple(history.reviews[index] for index in indices) if history.reviews else ()
    return History(history.user_id, tuple(history.items[index] for index in indices), reviews)


def _segmentations(eval_data: RankingEvalData, purchases: Ints) -> dict[str, Segments]:
    """The ways in which test cases are divided into segments."""
    lengths = eval_data.seen_items.counts()
    return {
        "history": by_users(eval_data.targets, length_groups(lengths)),
        "popularity": by_items(eval_data.targets, popularity_groups(purchases)),
        "cold": by_items(eval_data.targets, {"warm": purchases > 0, "cold": purchases == 0}),
        "ties": by_users(eval_data.targets, {"untied": ~eval_data.tied, "tied": eval_data.tied}),
    }


def _columns(eval_data: RankingEvalData, lists: Lists, swapped: Sequence[RankedList]) -> Columns:
    """One value a case: history, targets and lists; ``rank`` is that of the first target."""
    columns: Columns = {
        "user_id": eval_data.users,
        "history": [list(case.history.items) for case in eval_data.cases],
        "truth": [list(case.targets) for case in eval_data.cases],
        "ranked": _lists_of_items(lists[MODEL]),
        "scores": [list(ranked_list.scores) for ranked_list in lists[MODEL]],
        "tied": eval_data.tied.tolist(),
        "rank": _ranks(lists[MODEL]),
    }
    if swapped:
        columns["swapped_ranked"] = _lists_of_items(swapped)
    for name, ranked in lists.items():
        if name != MODEL:
            columns[f"ranked_{name}"] = _lists_of_items(ranked)
            columns[f"rank_{name}"] = _ranks(ranked)
    return columns


def _lists_of_items(ranked: Sequence[RankedList]) -> list[list[str]]:
    return [list(ranked_list.items) for ranked_list in ranked]


def _ranks(ranked: Sequence[RankedList]) -> pa.Array:
    return pa.array([ranked_list.rank for ranked_list in ranked], pa.int32())
