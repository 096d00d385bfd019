"""Judging whole-catalogue rankings: the model and baselines on every test case, history excluded."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
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
from shoptalk.tasks.evaluation import Columns, Evaluation, Judged

MODEL = "model"


@dataclass(frozen=True)
class RankingEvalData:
    """N test cases in numbers, and how intervals are drawn.

    ``relevant_items`` and ``seen_items`` are what was bought next and before, ``learned`` what may be learned from,
    ``vectors`` (I, T) the titles of the catalogue, ``settings`` the bootstrap's resamples and seed.
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
    def purchases(self) -> Ints:
        """(M,) training purchases; M grows when a list names what is not in the catalogue."""
        bought = (self.codes.of(item) for items in self.learned for item in items)
        found = np.fromiter(bought, dtype=np.int64)
        return np.bincount(found, minlength=len(self.codes))


def judge_rankings(evaluation: Evaluation) -> Judged:
    """Rank the catalogue for every test case, and say how good, how different and how personal the lists are.

    Baselines that score options alone are named in a warning where there are no options to judge them by.
    """
    begin = time.perf_counter()
    able = {name: one for name, one in evaluation.baselines.items() if getattr(one, "ranks_catalogue", True)}
    eval_data = _eval_data(evaluation)
    ks = (DEFAULT_K, *sorted({*KS, evaluation.recipe.evaluation.k} - {DEFAULT_K}))
    histories = [case.history for case in eval_data.cases]
    wanted = [case.targets[0] for case in eval_data.cases]
    lists = {MODEL: _rank(evaluation, evaluation.recommender, histories, max(ks), "own histories", wanted)}
    counted = _counted(evaluation.recommender, len(eval_data.cases))
    for name, baseline in able.items():
        lists[name] = _rank(evaluation, baseline, histories, max(ks), name, wanted)
    tables = {name: eval_data.codes.table([one.items for one in ranked], max(ks)) for name, ranked in lists.items()}
    purchases = eval_data.purchases
    found = {name: find(table, eval_data.targets) for name, table in tables.items()}
    metrics = {name: _metrics(eval_data, tables[name], found[name], ks, purchases) for name in lists}
    swapped = _swapped(eval_data, evaluation)
    metrics[MODEL] |= means(counted, **eval_data.settings) | _gap(eval_data, found[MODEL], swapped)
    compared = {name: found[name].metrics(DEFAULT_K, tested_names(DEFAULT_K)) for name in lists}
    versus = compare_all(compared.pop(MODEL), compared, **eval_data.settings)
    segments = segment_metrics(tables, _cuts(eval_data, purchases), DEFAULT_K, **eval_data.settings)
    own = metrics.pop(MODEL)
    missing = [name for name in evaluation.baselines if name not in able]
    warnings = [f"not compared, because they only score options: {', '.join(missing)}"] if missing else []
    result = EvaluationResult(
        own, metrics, versus=versus, segments=segments,
        seconds={"rankings": time.perf_counter() - begin},
        warnings=tuple(warnings if evaluation.recipe.candidates is None else ()),
    )  # fmt: skip
    return Judged(result, _columns(eval_data, lists, swapped))


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


def _rank(
    evaluation: Evaluation,
    recommender: Recommender,
    histories: Sequence[History],
    k: int,
    words: str,
    targets: Sequence[str] | None = None,
) -> list[RankedList]:
    def notify(done: int, of: int) -> None:
        evaluation.progress("rankings", done, of, words)

    return list(recommender.rank(histories, k, targets=targets, notify=notify))


def _counted(recommender: Any, cases: int) -> dict[str, Floats]:
    """What a model that writes its lists counted while it wrote them: its lists may be tidied, the counts are not."""
    counted = {name: np.asarray(getattr(recommender, name, ())) for name in ("repeat_share", "invalid_share")}
    return {name: values for name, values in counted.items() if values.shape == (cases,)}


def _metrics(
    eval_data: RankingEvalData, table: Ints, found: RankingHits, ks: Sequence[int], purchases: Ints
) -> dict[str, Estimate]:
    """One method's figures: accuracy at every k, on cold, tied and untied targets, and what its lists are like."""
    columns = {name: values for k in ks for name, values in found.metrics(k).items()}
    head = table[:, :DEFAULT_K]
    cold = find(head, eval_data.targets.select(purchases == 0)).recall(DEFAULT_K)
    recall = found.recall(DEFAULT_K)
    apart = {
        f"tied_recall@{DEFAULT_K}": np.where(eval_data.tied, recall, np.nan),
        f"untied_recall@{DEFAULT_K}": np.where(eval_data.tied, np.nan, recall),
        f"cold_recall@{DEFAULT_K}": cold,
    }
    coverage, like = describe(head, eval_data.seen_items, purchases, eval_data.vectors, eval_data.codes.size)
    like = {
        f"{name}@{DEFAULT_K}" if name in ("novelty", "diversity") else name: values for name, values in like.items()
    }
    found_means = means(columns | apart | like, **eval_data.settings)
    # The coverage, a share of the catalogue, stands before what lists are like.
    names = [*columns, *apart, f"coverage@{DEFAULT_K}", *like]
    return {name: found_means.get(name, coverage) for name in names}


def _swapped(eval_data: RankingEvalData, evaluation: Evaluation) -> list[RankedList]:
    """Lists for another user's history; none where there is but one user.

    The other's history is excluded from the list, as it was from the other's own; the case's truth never is, or the
    swapped list could not be right.
    """
    users = [case.history.user_id for case in eval_data.cases]
    if len(set(users)) < 2:
        return []
    partners = permutation_partners(
        users,
        [case.history.items for case in eval_data.cases],
        [case.targets for case in eval_data.cases],
        seed=eval_data.settings["seed"],
    )
    given = [
        _without(eval_data.cases[partner].history, case.targets)
        for case, partner in zip(eval_data.cases, partners.tolist(), strict=True)
    ]
    return _rank(evaluation, evaluation.recommender, given, DEFAULT_K, "swapped histories")


def _gap(eval_data: RankingEvalData, own: RankingHits, ranked: Sequence[RankedList]) -> dict[str, Estimate]:
    """Recall with another user's history: what is left of it was never about the user."""
    if not ranked:
        return {}
    users = [case.history.user_id for case in eval_data.cases]
    swapped = find(eval_data.codes.table([one.items for one in ranked], DEFAULT_K), eval_data.targets).recall(DEFAULT_K)
    return {
        f"swapped_recall@{DEFAULT_K}": estimate(swapped, users=users, **eval_data.settings),
        "personalisation_gap": personalisation_gap(own.recall(DEFAULT_K), swapped, users, **eval_data.settings),
    }


def _without(history: History, relevant_items: Sequence[str]) -> History:
    """A history that does not hold the truth."""
    if not set(history.items) & set(relevant_items):
        return history
    kept = [index for index, item in enumerate(history.items) if item not in relevant_items]
    reviews = tuple(history.reviews[index] for index in kept) if history.reviews else ()
    return History(history.user_id, tuple(history.items[index] for index in kept), reviews)


def _cuts(eval_data: RankingEvalData, purchases: Ints) -> dict[str, Segments]:
    """The ways in which the test is cut into segments."""
    lengths = eval_data.seen_items.counts()
    return {
        "history": by_users(eval_data.targets, length_groups(lengths)),
        "popularity": by_items(eval_data.targets, popularity_groups(purchases)),
        "cold": by_items(eval_data.targets, {"warm": purchases > 0, "cold": purchases == 0}),
        "ties": by_users(eval_data.targets, {"untied": ~eval_data.tied, "tied": eval_data.tied}),
    }


def _columns(
    eval_data: RankingEvalData, lists: Mapping[str, Sequence[RankedList]], swapped: Sequence[RankedList]
) -> Columns:
    """One value a case: what it was, and what was recommended; ``rank`` is that of the first right item."""
    columns: Columns = {"rank": pa.array([one.rank for one in lists[MODEL]], pa.int32())}
    if swapped:
        columns["swapped_ranked"] = [list(one.items) for one in swapped]
    for name, ranked in lists.items():
        if name != MODEL:
            columns[f"ranked_{name}"] = [list(one.items) for one in ranked]
            columns[f"rank_{name}"] = pa.array([one.rank for one in ranked], pa.int32())
    return {
        "user_id": [case.history.user_id for case in eval_data.cases],
        "history": [list(case.history.items) for case in eval_data.cases],
        "truth": [list(case.targets) for case in eval_data.cases],
        "ranked": [list(one.items) for one in lists[MODEL]],
        "scores": [list(one.scores) for one in lists[MODEL]],
        "tied": eval_data.tied.tolist(),
        **columns,
    }
