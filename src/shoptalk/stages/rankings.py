"""Judging whole-catalogue rankings: the model and simple methods on every test case, history excluded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from shoptalk.data.dataset import Dataset
from shoptalk.evaluation.beyond import describe, title_vectors
from shoptalk.evaluation.bootstrap import Floats, estimate
from shoptalk.evaluation.catalogue import KS, Found, find, means
from shoptalk.evaluation.coded import Bools, Codes, Ints, Pairs
from shoptalk.evaluation.paired import compare_all
from shoptalk.evaluation.segments import Cut, by_items, by_users, length_groups, popularity_groups, segment_metrics
from shoptalk.evaluation.swap import personalisation_gap, swap_partners
from shoptalk.recommend.catalogue import rank_all
from shoptalk.runs import Run
from shoptalk.schema import Case, Estimate, History, RankedList, Ranker, Split
from shoptalk.stages.progress import Progress

#: Length at which lists are described, cut into segments and compared.
HEAD = 10
#: Metrics by which the model is compared with each simple method.
COMPARED = (f"recall@{HEAD}", f"ndcg@{HEAD}")
MODEL = "model"


@dataclass(frozen=True)
class Exam:
    """N test cases in numbers, and how intervals are drawn.

    ``truth`` and ``held`` are what was bought next and before, ``learned`` what may be learned from, ``vectors`` (I, T)
    the titles of the catalogue, ``settings`` the bootstrap's resamples and seed.
    """

    cases: Sequence[Case]
    codes: Codes
    truth: Pairs
    held: Pairs
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


def judge_rankings(
    run: Run, shop: Dataset, model: Any, split: Split, progress: Progress, simple: Mapping[str, Ranker]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rank the catalogue for every test case, and say how good, how different and how personal the lists are.

    Parameters
    ----------
    model
        A `Ranker`, or anything with ``rank(histories, k, notify)``.
    simple
        The methods to compare with, by name.

    Returns
    -------
    report, columns
        ``metrics``, ``baselines``, ``segments`` (way of cutting -> segment -> method -> metric), ``versus`` (simple
        method -> metric -> paired difference, model minus method), ``warnings``; and one value a case for
        ``predictions.parquet``.
    """
    evaluation = run.recipe.evaluation
    exam = _exam(run, shop, split)
    ks = (HEAD, *sorted({*KS, evaluation.k} - {HEAD}))
    histories = [case.history for case in exam.cases]
    wanted = [case.truth[0] for case in exam.cases]
    lists = {MODEL: rank_lists(model, histories, max(ks), progress, "own histories", wanted)}
    said = _said(model, len(exam.cases))
    for name, ranker in simple.items():
        lists[name] = rank_lists(ranker, histories, max(ks), progress, name, wanted)
    tables = {name: exam.codes.table([one.items for one in ranked], max(ks)) for name, ranked in lists.items()}
    purchases = exam.purchases
    found = {name: find(table, exam.truth) for name, table in tables.items()}
    metrics = {name: _metrics(exam, tables[name], found[name], ks, purchases) for name in lists}
    swapped = _swapped(exam, model, progress)
    metrics[MODEL] |= means(said, **exam.settings) | _gap(exam, found[MODEL], swapped)
    compared = {name: {one: found[name].metrics(HEAD)[one] for one in COMPARED} for name in lists}
    versus = compare_all(compared.pop(MODEL), compared, **exam.settings)
    segments = segment_metrics(tables, _cuts(exam, purchases), HEAD, **exam.settings)
    return {
        "metrics": _table(metrics.pop(MODEL)),
        "baselines": {name: _table(own) for name, own in metrics.items()},
        "segments": {
            way: {name: {method: _table(own) for method, own in methods.items()} for name, methods in cut.items()}
            for way, cut in segments.items()
        },
        "versus": {name: {metric: one.as_dict() for metric, one in own.items()} for name, own in versus.items()},
        "warnings": [],
    }, _columns(exam, lists, swapped)


def _exam(run: Run, shop: Dataset, split: Split) -> Exam:
    cases, codes = list(split.test), Codes(shop.catalogue)
    fitted = replace(split, refit=run.recipe.training.refit).for_final_fit()  # what it was fitted on is not cold
    return Exam(
        cases=cases,
        codes=codes,
        truth=codes.pairs([case.truth for case in cases]),
        held=codes.pairs([case.history.items for case in cases]),
        tied=np.array([case.tied for case in cases], dtype=np.bool_),
        learned=[history.items for history in fitted.train],
        vectors=title_vectors([item.title for item in shop.catalogue.values()]),
        settings={"resamples": run.recipe.evaluation.resamples, "seed": run.recipe.seed},
    )


def rank_lists(
    ranker: Any,
    histories: Sequence[History],
    k: int,
    progress: Progress,
    words: str,
    wanted: Sequence[str] | None = None,
) -> list[RankedList]:
    """The lists of a `Ranker`, or of what writes its lists itself."""

    def notify(done: int, of: int) -> None:
        progress("rankings", done, of, words)

    if hasattr(ranker, "score_all"):
        return list(rank_all(ranker, histories, k, wanted=wanted, notify=notify))
    return list(ranker.rank(histories, k, notify))


def _said(model: Any, cases: int) -> dict[str, Floats]:
    """What a model that writes its lists counted while it wrote them: its lists may be tidied, the counts are not."""
    counted = {name: np.asarray(getattr(model, name, ())) for name in ("repeat_share", "invalid_share")}
    return {name: values for name, values in counted.items() if values.shape == (cases,)}


def _metrics(exam: Exam, table: Ints, found: Found, ks: Sequence[int], purchases: Ints) -> dict[str, Estimate]:
    """One method's figures: accuracy at every k, on cold, tied and untied targets, and what its lists are like."""
    columns = {name: values for k in ks for name, values in found.metrics(k).items()}
    head = table[:, :HEAD]
    cold = find(head, exam.truth.only(purchases == 0)).recall(HEAD)
    recall = found.recall(HEAD)
    apart = {
        f"tied_recall@{HEAD}": np.where(exam.tied, recall, np.nan),
        f"untied_recall@{HEAD}": np.where(exam.tied, np.nan, recall),
        f"cold_recall@{HEAD}": cold,
    }
    coverage, like = describe(head, exam.held, purchases, exam.vectors, exam.codes.size)
    like = {f"{name}@{HEAD}" if name in ("novelty", "diversity") else name: values for name, values in like.items()}
    found_means = means(columns | apart | like, **exam.settings)
    # The coverage, a share of the catalogue, stands before what lists are like.
    names = [*columns, *apart, f"coverage@{HEAD}", *like]
    return {name: found_means.get(name, coverage) for name in names}


def _swapped(exam: Exam, model: Any, progress: Progress) -> list[RankedList]:
    """Lists for another user's history; none where there is but one user.

    The other's history is excluded from the list, as it was from the other's own; the case's truth never is, or the
    swapped list could not be right.
    """
    users = [case.history.user_id for case in exam.cases]
    if len(set(users)) < 2:
        return []
    partners = swap_partners(
        users,
        [case.history.items for case in exam.cases],
        [case.truth for case in exam.cases],
        seed=exam.settings["seed"],
    )
    given = [
        _without(exam.cases[partner].history, case.truth)
        for case, partner in zip(exam.cases, partners.tolist(), strict=True)
    ]
    return rank_lists(model, given, HEAD, progress, "swapped histories")


def _gap(exam: Exam, own: Found, ranked: Sequence[RankedList]) -> dict[str, Estimate]:
    """Recall with another user's history: what is left of it was never about the user."""
    if not ranked:
        return {}
    users = [case.history.user_id for case in exam.cases]
    swapped = find(exam.codes.table([one.items for one in ranked], HEAD), exam.truth).recall(HEAD)
    return {
        f"swapped_recall@{HEAD}": estimate(swapped, users=users, **exam.settings),
        "personalisation_gap": personalisation_gap(own.recall(HEAD), swapped, users, **exam.settings),
    }


def _without(history: History, truth: Sequence[str]) -> History:
    """A history that does not hold the truth."""
    if not set(history.items) & set(truth):
        return history
    kept = [place for place, item in enumerate(history.items) if item not in truth]
    reviews = tuple(history.reviews[place] for place in kept) if history.reviews else ()
    return History(history.user_id, tuple(history.items[place] for place in kept), reviews)


def _cuts(exam: Exam, purchases: Ints) -> dict[str, Cut]:
    """The ways in which the test is cut into segments."""
    lengths = exam.held.counts()
    return {
        "history": by_users(exam.truth, length_groups(lengths)),
        "popularity": by_items(exam.truth, popularity_groups(purchases)),
        "cold": by_items(exam.truth, {"warm": purchases > 0, "cold": purchases == 0}),
        "ties": by_users(exam.truth, {"untied": ~exam.tied, "tied": exam.tied}),
    }


def _columns(exam: Exam, lists: Mapping[str, Sequence[RankedList]], swapped: Sequence[RankedList]) -> dict[str, Any]:
    """One value a case: what it was, and what was recommended; ``rank`` is that of the first right item."""
    columns: dict[str, Any] = {"rank": pa.array([one.rank for one in lists[MODEL]], pa.int32())}
    if swapped:
        columns["swapped_ranked"] = [list(one.items) for one in swapped]
    for name, ranked in lists.items():
        if name != MODEL:
            columns[f"ranked_{name}"] = [list(one.items) for one in ranked]
            columns[f"rank_{name}"] = pa.array([one.rank for one in ranked], pa.int32())
    return {
        "user_id": [case.history.user_id for case in exam.cases],
        "history": [list(case.history.items) for case in exam.cases],
        "truth": [list(case.truth) for case in exam.cases],
        "ranked": [list(one.items) for one in lists[MODEL]],
        "scores": [list(one.scores) for one in lists[MODEL]],
        "tied": exam.tied.tolist(),
        **columns,
    }


def _table(metrics: Mapping[str, Estimate]) -> dict[str, dict[str, float | int]]:
    return {name: value.as_dict() for name, value in metrics.items()}
