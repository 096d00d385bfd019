"""What a run's wrong answers have in common: into its metrics, and every wrong answer into ``errors.parquet``."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shoptalk.constants import DEFAULT_K
from shoptalk.data.dataset import Dataset
from shoptalk.evaluation.calibration import reliability
from shoptalk.evaluation.errors.answers import Answers, ItemStats, option_answers, ranking_answers
from shoptalk.evaluation.errors.groups import EXAMPLES, Group, group_errors
from shoptalk.evaluation.errors.what_if import Step, options_what_if, ranking_what_if
from shoptalk.evaluation.errors.words import pulling_words
from shoptalk.evaluation.id_map import PAD_ID, IdMap
from shoptalk.evaluation.options import correctness
from shoptalk.files import replacing
from shoptalk.results import (
    CalibrationBin,
    ErrorAnalysis,
    ErrorExample,
    ErrorGroup,
    ShortenedHistory,
    ShortenedStep,
)
from shoptalk.runs import Run
from shoptalk.schema import EvalExample, Split

#: Where every wrong answer is written: those of the report's ``errors``, and of its ``option_errors``.
FILE, OPTION_FILE = "errors.parquet", "option_errors.parquet"
#: Items of a ranking that an example shows, and users whose histories are shortened.
SHOWN, WHAT_IF = 5, 5


@dataclass(frozen=True)
class JudgedAnswers:
    """One way in which a run was judged: its answers, and for each case what was offered, with what scores.

    ``offered`` are ids: the options, or the first of the list; ``right`` and ``chosen`` are places among them
    (``PAD_ID``: not there).
    """

    what: str
    answers: Answers
    cases: Sequence[EvalExample]
    offered: Sequence[Sequence[str]]
    scores: Sequence[Sequence[float]]
    right: Sequence[int]
    chosen: Sequence[int]
    calibration: Sequence[CalibrationBin]


def analyse_errors(
    run: Run, shop: Dataset, model: Any, split: Split, columns: Mapping[str, Any]
) -> list[ErrorAnalysis]:
    """Analyse the answers of a run, and write the wrong ones.

    Parameters
    ----------
    columns
        Those of ``predictions.parquet``, one value a test case.

    Returns
    -------
    list
        One analysis, or that of the rankings and that of the options where the run was judged by both.
    """
    item_stats = _item_stats(shop, split)
    judged_ways = [judged(run, shop, split, columns) for name, judged in (("ranked", _ranking), ("options", _options))
             if name in columns]  # fmt: skip
    found = []
    for file, judged in zip((FILE, OPTION_FILE), judged_ways, strict=False):
        groups = group_errors(
            judged.answers, item_stats, resamples=run.recipe.evaluation.resamples, seed=run.recipe.seed
        )
        _write(run.folder / file, judged, groups)
        found.append(_analysis(run, shop, model, item_stats, judged, groups))
    return found


def _item_stats(shop: Dataset, split: Split) -> ItemStats:
    items, codes = list(shop.catalogue.values()), IdMap(shop.catalogue)
    fitted = split.for_final_fit()
    bought = np.fromiter((codes.of(item) for history in fitted.train for item in history.items), dtype=np.int64)
    return ItemStats(
        titles=[item.title for item in items],
        purchases=np.bincount(bought, minlength=len(items)),
        categories=[item.categories[-1] if item.categories else "" for item in items],
    )


def _options(run: Run, shop: Dataset, split: Split, columns: Mapping[str, Any]) -> JudgedAnswers:  # noqa: ARG001
    scores = columns["option_scores" if "option_scores" in columns else "scores"]
    rows = [np.asarray(row, dtype=np.float64) for row in scores]
    right = np.asarray(columns["answer"]).tolist()
    answers = option_answers(
        columns["user_id"], columns["history"], columns["options"], right, rows, IdMap(shop.catalogue)
    )
    assert answers.positions is not None  # of options
    sure = reliability(answers.confidence, correctness(rows, right))
    chosen = answers.positions.chosen.tolist()
    return JudgedAnswers("options", answers, split.test, columns["options"], scores, right, chosen, sure)


def _ranking(run: Run, shop: Dataset, split: Split, columns: Mapping[str, Any]) -> JudgedAnswers:
    ranked, targets = columns["ranked"], columns["truth"]
    answers = ranking_answers(
        columns["user_id"], columns["history"], targets, ranked, columns["scores"], IdMap(shop.catalogue),
        seed=run.recipe.seed,
    )  # fmt: skip
    right = [
        next((index for index, item in enumerate(own) if item in wanted), PAD_ID)
        for own, wanted in zip(ranked, targets, strict=True)
    ]
    chosen = [0 if own else PAD_ID for own in ranked]
    return JudgedAnswers("ranking", answers, split.test, ranked, columns["scores"], right, chosen, [])


def _write(path: Path, judged: JudgedAnswers, groups: Sequence[Group]) -> None:
    """One row for each wrong answer, with the names of its groups."""
    wrong = np.flatnonzero(judged.answers.wrong).tolist()
    named = [[group.kind.name for group in groups if group.members[n]] for n in wrong]
    cut = None if judged.what == "options" else DEFAULT_K
    columns = {
        "user_id": pa.array([judged.answers.users[n] for n in wrong], pa.string()),
        "history": pa.array([list(judged.cases[n].history.items) for n in wrong], pa.list_(pa.string())),
        "truth": pa.array([list(judged.cases[n].targets) for n in wrong], pa.list_(pa.string())),
        "ranked" if cut else "options": pa.array([list(judged.offered[n][:cut]) for n in wrong], pa.list_(pa.string())),
        "scores": pa.array([list(judged.scores[n][:cut]) for n in wrong], pa.list_(pa.float64())),
        "answer": pa.array([judged.right[n] for n in wrong], pa.int16()),
        "chosen": pa.array([judged.chosen[n] for n in wrong], pa.int16()),
        "groups": pa.array(named, pa.list_(pa.string())),
    }
    with replacing(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def _analysis(
    run: Run, shop: Dataset, model: Any, item_stats: ItemStats, judged: JudgedAnswers, groups: Sequence[Group]
) -> ErrorAnalysis:
    asymmetric = run.recipe.data.cleaning == "asymmetric"  # wrong options are then shown as the source has them
    shown = [item.raw_title for item in shop.catalogue.values()] if asymmetric else item_stats.titles
    return ErrorAnalysis(
        what=judged.what,
        says=_SAYS[judged.what],
        cases=len(judged.cases),
        wrong=int(judged.answers.wrong.sum()),
        groups=tuple(_group(shop, judged, group) for group in groups),
        words=tuple(pulling_words(judged.answers, shown)),
        calibration=tuple(judged.calibration),
        what_if=tuple(_what_if(shop, model, judged, groups)),
    )


#: What is wrong, and what the reference of a pull is.
_SAYS = {
    "options": "An answer is wrong where another option scores best. The reference is the share to be expected if "
    "errors had nothing to do with it: among all wrong options offered, or among all questions.",
    "ranking": f"An answer is wrong where the right product is not among the first {DEFAULT_K}; the first of the list "
    "counts as chosen. The reference is the share to be expected if errors had nothing to do with it: with another "
    "user's next purchase in place of the first, or among all users.",
}


def _group(shop: Dataset, judged: JudgedAnswers, group: Group) -> ErrorGroup:
    users = {judged.answers.users[n] for n in np.flatnonzero(judged.answers.wrong).tolist()}
    return ErrorGroup(
        name=group.kind.name,
        title=group.kind.title,
        says=group.kind.says,
        value=group.share.value,
        low=group.share.low,
        high=group.share.high,
        n=len(users),
        wrong=int(group.members.sum()),
        reference=group.reference.value,
        excess=group.excess,
        examples=tuple(_example(shop, judged, n, group.describe(n)) for n in group.typical),
    )


def _example(shop: Dataset, judged: JudgedAnswers, n: int, why: str) -> ErrorExample:
    """One wrong answer in titles: all options, or the first of a list with the right one behind them."""
    case = judged.cases[n]
    scores = list(judged.scores[n])
    if judged.what == "options":
        assert case.candidates is not None  # as it was judged by them
        titles, right = list(case.candidates.titles), judged.right[n]
    else:
        index = judged.right[n]
        found = index != PAD_ID
        titles = [shop.catalogue[item].title for item in judged.offered[n][:SHOWN]]
        right = len(titles)
        item = judged.offered[n][index] if found else case.targets[0]
        titles.append(shop.catalogue[item].title)
        scores = [*scores[:right], scores[index] if found else math.nan]
        stands = f"has rank {index + 1}" if found else f"is not among the first {len(judged.offered[n])}"
        why = f"{why}; the right product {stands}"
    return ErrorExample(
        user=case.history.user_id,
        history=tuple(shop.catalogue[item].title for item in case.history.items),
        options=tuple(titles),
        scores=tuple(scores),
        answer=right,
        chosen=judged.chosen[n],
        why=why,
    )


def _what_if(shop: Dataset, model: Any, judged: JudgedAnswers, groups: Sequence[Group]) -> list[ShortenedHistory]:
    """The most typical answers of the groups in turn, each once, where a history has something to remove."""
    rounds = dict.fromkeys(n for index in range(EXAMPLES) for group in groups for n in group.typical[index : index + 1])
    numbers = [n for n in rounds if len(judged.cases[n].history.items) > 1 and judged.chosen[n] != PAD_ID][:WHAT_IF]
    cases = [judged.cases[n] for n in numbers]
    if not cases:
        return []
    what_if_steps = options_what_if(model, cases) if judged.what == "options" else ranking_what_if(model.rank, cases)
    titles = {item_id: item.title for item_id, item in shop.catalogue.items()}
    return [
        ShortenedHistory(
            user=case.history.user_id,
            history=tuple(titles[item] for item in case.history.items),
            answer=titles[case.targets[0]],
            chosen=titles[judged.offered[n][judged.chosen[n]]],
            steps=tuple(_step(step, titles, judged.what) for step in steps),
        )
        for n, case, steps in zip(numbers, cases, what_if_steps, strict=True)
    ]


def _step(step: Step, titles: Mapping[str, str], what: str) -> ShortenedStep:
    removed = [titles[item] for item in step.removed]
    if len(removed) > 1:
        removed = [f"the oldest {len(removed)}"]
    answer = None if step.answer is None else titles[step.answer]
    first = removed[0] if removed else None
    if what == "ranking":
        return ShortenedStep(first, answer, rank=None if step.right is None else int(step.right))
    return ShortenedStep(first, answer, probability=step.right, chosen_probability=step.first)
