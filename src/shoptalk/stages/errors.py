"""Error analysis of a run: groups of wrong answers for its metrics, and all wrong answers in ``errors.parquet``."""

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

#: Files of all wrong answers: of the first analysis, and of the second if there are rankings and options.
FILE, OPTION_FILE = "errors.parquet", "option_errors.parquet"
#: Number of items of a ranking that an example shows, and number of users whose histories are shortened.
SHOWN_ITEMS, SHORTENED_HISTORIES = 5, 5


@dataclass(frozen=True)
class EvaluatedAnswers:
    """The answers of a run to N test cases, by rankings or by options.

    Attributes
    ----------
    what
        ``ranking`` or ``options``.
    answers
        The answers as arrays.
    cases
        N test cases.
    offered, scores
        For each case the ids of its options, or of the first items of its list, and their scores.
    right, chosen
        Positions of the right item and of the chosen one in ``offered``; ``PAD_ID`` if it is not there.
    calibration
        Bins of a reliability diagram; empty for rankings.
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
    run: Run, dataset: Dataset, model: Any, split: Split, columns: Mapping[str, Any]
) -> list[ErrorAnalysis]:
    """Analyse the answers of a run, and write the wrong ones to its folder.

    Parameters
    ----------
    model
        The run's recommender, which is asked again with shortened histories.
    columns
        The columns of ``predictions.parquet``, one value for each test case.

    Returns
    -------
    list
        The analysis of the rankings, if there are any, then that of the options, if there are any.
    """
    item_stats = _item_stats(dataset, split)
    evaluated_answers = []
    if "ranked" in columns:
        evaluated_answers.append(_evaluated_rankings(run, dataset, split, columns))
    if "options" in columns:
        evaluated_answers.append(_evaluated_options(dataset, split, columns))
    analyses = []
    for file, evaluated in zip((FILE, OPTION_FILE), evaluated_answers, strict=False):
        groups = group_errors(
            evaluated.answers, item_stats, resamples=run.recipe.evaluation.resamples, seed=run.recipe.seed
        )
        _write(run.folder / file, evaluated, groups)
        analyses.append(_analysis(run, dataset, model, item_stats, evaluated, groups))
    return analyses


def _item_stats(dataset: Dataset, split: Split) -> ItemStats:
    """Titles, categories and training purchases of all items."""
    items, codes = list(dataset.catalogue.values()), IdMap(dataset.catalogue)
    fitted = split.for_final_fit()
    bought = np.fromiter((codes.of(item) for history in fitted.train for item in history.items), dtype=np.int64)
    return ItemStats(
        titles=[item.title for item in items],
        purchases=np.bincount(bought, minlength=len(items)),
        categories=[item.categories[-1] if item.categories else "" for item in items],
    )


def _evaluated_options(dataset: Dataset, split: Split, columns: Mapping[str, Any]) -> EvaluatedAnswers:
    """The answers to multiple-choice questions."""
    scores = columns["option_scores" if "option_scores" in columns else "scores"]
    rows = [np.asarray(row, dtype=np.float64) for row in scores]
    right = np.asarray(columns["answer"]).tolist()
    answers = option_answers(
        columns["user_id"], columns["history"], columns["options"], right, rows, IdMap(dataset.catalogue)
    )
    assert answers.positions is not None  # of options
    calibration = reliability(answers.confidence, correctness(rows, right))
    chosen = answers.positions.chosen.tolist()
    return EvaluatedAnswers("options", answers, split.test, columns["options"], scores, right, chosen, calibration)


def _evaluated_rankings(run: Run, dataset: Dataset, split: Split, columns: Mapping[str, Any]) -> EvaluatedAnswers:
    """The answers given as ranked lists; the first item of a list counts as chosen."""
    ranked, targets = columns["ranked"], columns["truth"]
    answers = ranking_answers(
        columns["user_id"],
        columns["history"],
        targets,
        ranked,
        columns["scores"],
        IdMap(dataset.catalogue),
        seed=run.recipe.seed,
    )
    right = [
        next((index for index, item in enumerate(items) if item in case_targets), PAD_ID)
        for items, case_targets in zip(ranked, targets, strict=True)
    ]
    chosen = [0 if items else PAD_ID for items in ranked]
    return EvaluatedAnswers("ranking", answers, split.test, ranked, columns["scores"], right, chosen, [])


def _write(path: Path, evaluated: EvaluatedAnswers, groups: Sequence[Group]) -> None:
    """Write one row for each wrong answer, with the names of its groups."""
    wrong = np.flatnonzero(evaluated.answers.wrong).tolist()
    group_names = [[group.kind.name for group in groups if group.members[n]] for n in wrong]
    most = None if evaluated.what == "options" else DEFAULT_K
    columns = {
        "user_id": pa.array([evaluated.answers.users[n] for n in wrong], pa.string()),
        "history": pa.array([list(evaluated.cases[n].history.items) for n in wrong], pa.list_(pa.string())),
        "truth": pa.array([list(evaluated.cases[n].targets) for n in wrong], pa.list_(pa.string())),
        "options" if evaluated.what == "options" else "ranked": pa.array(
            [list(evaluated.offered[n][:most]) for n in wrong], pa.list_(pa.string())
        ),
        "scores": pa.array([list(evaluated.scores[n][:most]) for n in wrong], pa.list_(pa.float64())),
        "answer": pa.array([evaluated.right[n] for n in wrong], pa.int16()),
        "chosen": pa.array([evaluated.chosen[n] for n in wrong], pa.int16()),
        "groups": pa.array(group_names, pa.list_(pa.string())),
    }
    with replacing(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def _analysis(
    run: Run, dataset: Dataset, model: Any, item_stats: ItemStats, evaluated: EvaluatedAnswers, groups: Sequence[Group]
) -> ErrorAnalysis:
    """The analysis as it is reported."""
    asymmetric = run.recipe.data.cleaning == "asymmetric"  # distractors then have their raw titles
    distractor_titles = [item.raw_title for item in dataset.catalogue.values()] if asymmetric else item_stats.titles
    return ErrorAnalysis(
        what=evaluated.what,
        says=_DEFINITIONS[evaluated.what],
        cases=len(evaluated.cases),
        wrong=int(evaluated.answers.wrong.sum()),
        groups=tuple(_error_group(dataset, evaluated, group) for group in groups),
        words=tuple(pulling_words(evaluated.answers, distractor_titles)),
        calibration=tuple(evaluated.calibration),
        what_if=tuple(_shortened_histories(dataset, model, evaluated, groups)),
    )


#: When an answer is wrong, and what the reference value of a group is.
_DEFINITIONS = {
    "options": "An answer is wrong where another option scores best. The reference is the share to be expected if "
    "errors had nothing to do with it: among all wrong options offered, or among all questions.",
    "ranking": f"An answer is wrong where the right product is not among the first {DEFAULT_K}; the first of the list "
    "counts as chosen. The reference is the share to be expected if errors had nothing to do with it: with another "
    "user's next purchase in place of the first, or among all users.",
}


def _error_group(dataset: Dataset, evaluated: EvaluatedAnswers, group: Group) -> ErrorGroup:
    """A group of wrong answers as it is reported, with its examples."""
    users = {evaluated.answers.users[n] for n in np.flatnonzero(evaluated.answers.wrong).tolist()}
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
        examples=tuple(_example(dataset, evaluated, n, group.describe(n)) for n in group.typical),
    )


def _example(dataset: Dataset, evaluated: EvaluatedAnswers, n: int, why: str) -> ErrorExample:
    """One wrong answer in titles: all options, or the first items of a list and after them the right item."""
    case = evaluated.cases[n]
    scores = list(evaluated.scores[n])
    if evaluated.what == "options":
        assert case.candidates is not None  # as the answer is one of them
        titles, right = list(case.candidates.titles), evaluated.right[n]
    else:
        index = evaluated.right[n]
        listed = index != PAD_ID
        titles = [dataset.catalogue[item].title for item in evaluated.offered[n][:SHOWN_ITEMS]]
        right = len(titles)
        item = evaluated.offered[n][index] if listed else case.targets[0]
        titles.append(dataset.catalogue[item].title)
        scores = [*scores[:right], scores[index] if listed else math.nan]
        rank = f"has rank {index + 1}" if listed else f"is not among the first {len(evaluated.offered[n])}"
        why = f"{why}; the right product {rank}"
    return ErrorExample(
        user=case.history.user_id,
        history=tuple(dataset.catalogue[item].title for item in case.history.items),
        options=tuple(titles),
        scores=tuple(scores),
        answer=right,
        chosen=evaluated.chosen[n],
        why=why,
    )


def _shortened_histories(
    dataset: Dataset, model: Any, evaluated: EvaluatedAnswers, groups: Sequence[Group]
) -> list[ShortenedHistory]:
    """What the model answers when purchases are removed from the history.

    The cases are the most typical ones of each group, without those whose history has only one item.
    """
    typical = dict.fromkeys(
        n for index in range(EXAMPLES) for group in groups for n in group.typical[index : index + 1]
    )
    numbers = [n for n in typical if len(evaluated.cases[n].history.items) > 1 and evaluated.chosen[n] != PAD_ID][
        :SHORTENED_HISTORIES
    ]
    cases = [evaluated.cases[n] for n in numbers]
    if not cases:
        return []
    steps_by_case = options_what_if(model, cases) if evaluated.what == "options" else ranking_what_if(model.rank, cases)
    titles = {item_id: item.title for item_id, item in dataset.catalogue.items()}
    return [
        ShortenedHistory(
            user=case.history.user_id,
            history=tuple(titles[item] for item in case.history.items),
            answer=titles[case.targets[0]],
            chosen=titles[evaluated.offered[n][evaluated.chosen[n]]],
            steps=tuple(_shortened_step(step, titles, evaluated.what) for step in steps),
        )
        for n, case, steps in zip(numbers, cases, steps_by_case, strict=True)
    ]


def _shortened_step(step: Step, titles: Mapping[str, str], what: str) -> ShortenedStep:
    """One step of `what_if` in titles."""
    removed = [titles[item] for item in step.removed]
    if len(removed) > 1:
        removed = [f"the oldest {len(removed)}"]
    answer = None if step.answer is None else titles[step.answer]
    removed_title = removed[0] if removed else None
    if what == "ranking":
        return ShortenedStep(removed_title, answer, rank=None if step.right is None else int(step.right))
    return ShortenedStep(removed_title, answer, probability=step.right, chosen_probability=step.first)
