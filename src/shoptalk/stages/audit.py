"""Auditing: what is at hand of a dataset, a run or somebody's exam, in numbers, and what the checks find in it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shoptalk.constants import DEFAULT_K
from shoptalk.data.cases import TEST, TRAIN, asked_rows
from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.question_files import Instruction, Question, as_question, read_alpaca, read_candidates
from shoptalk.errors import DatasetError, RunError, UsageError
from shoptalk.evaluation.audit import audit
from shoptalk.evaluation.audit.evidence import Evidence, Log, MultipleChoiceSet, Outcome, WrittenAnswers
from shoptalk.evaluation.catalogue import find
from shoptalk.evaluation.id_map import PAD_ID, Bools, IdMap, Ints
from shoptalk.evaluation.options import correctness
from shoptalk.progress import Progress
from shoptalk.recommend.transition_text import load_transition_text
from shoptalk.results import AUDIT, METRICS, AuditResult, read_evaluation, write_result
from shoptalk.runs import Run, open_run
from shoptalk.stages.load_dataset import open_run_dataset

#: Questions looked at, of those for training and of the test's.
LEARNED, ASKED = 8_000, 5_000


def audit_run(run: Run, shop: Dataset, progress: Progress, *, seed: int = 1) -> AuditResult:
    """Audit a run with the dataset that it was trained on, and write ``audit.json`` into it.

    Raises
    ------
    ShoptalkError
        For a run that is not evaluated.
    """
    result = _result(_evidence(shop, seed, run), progress)
    write_result(run.folder / AUDIT, result)
    return result


def audit_anything(
    dataset: Path | None,
    run: Path | None,
    candidates: Path | None,
    alpaca: Path | None,
    progress: Progress,
    *,
    seed: int = 1,
) -> AuditResult:
    """Audit what is named: a dataset, a run (with the dataset it was trained on), or an exam from elsewhere.

    Raises
    ------
    ShoptalkError
        Where nothing is named, what is named does not fit together, or it cannot be read.
    """
    choice_set = candidates or alpaca
    if choice_set and (dataset or run or (candidates and alpaca)):
        raise UsageError(
            "an exam from elsewhere is audited alone", hint="name one --candidates or --alpaca, and no more"
        )
    if choice_set:
        return _result(read_choice_set(candidates, alpaca, seed), progress)
    if run is not None:
        if dataset is not None and open_dataset(dataset).fingerprint != open_run(run).info["fingerprint"]:
            raise DatasetError("this is not the dataset that the run was trained on", where=str(dataset))
        opened = open_run(run)
        return audit_run(opened, open_run_dataset(opened), progress, seed=seed)
    if dataset is None:
        raise UsageError("nothing to audit", hint="name a dataset, --run, --candidates or --alpaca")
    return _result(_evidence(open_dataset(dataset), seed), progress)


def read_choice_set(candidates: Path | None, alpaca: Path | None, seed: int) -> Evidence:
    """An exam that shoptalk did not make: a file of questions, or one of instruction rows."""
    rows: list[Instruction] = []
    questions = read_candidates(candidates) if candidates else []
    for row in read_alpaca(alpaca) if alpaca else ():
        question = as_question(row)
        if question is None:
            rows.append(row)  # nothing to choose from: what is asked for is written
        else:
            questions.append(question)
    return Evidence(
        choice_set=_foreign(questions, seed) if questions else None,
        texts=[(row.prompt, row.answer) for row in rows],
        written=_written(rows),
        seed=seed,
    )


def _result(evidence: Evidence, progress: Progress) -> AuditResult:
    found = audit(evidence, progress)
    return AuditResult(tuple(found), clean=all(finding.severity != "fail" for finding in found))


def _evidence(shop: Dataset, seed: int, run: Run | None = None) -> Evidence:
    log = _log(shop)
    outcome = _outcome(run, log) if run is not None else None
    return Evidence(log=log, choice_set=_choice_set(shop, log, seed), outcome=outcome, seed=seed)


def _log(shop: Dataset) -> Log:
    rows = shop.rows
    return Log(
        user=np.repeat(np.arange(len(rows.users), dtype=np.int32), rows.end - rows.start),
        item=rows.code,
        time=rows.time,
        part=rows.part,
        users=rows.users.tolist(),
        items=rows.names,
        titles=rows.titles,
        method=shop.recipe.split.method,
        ties=shop.recipe.split.ties,
        withheld=bool(shop.recipe.split.cold),
    )


def _choice_set(shop: Dataset, log: Log, seed: int) -> MultipleChoiceSet | None:
    """Questions of a dataset with candidates: some of training, and some of the test."""
    rows = shop.rows
    if rows.frozen is None or not len(rows.code):
        return None
    asked = asked_rows(rows.position, rows.part)
    generator = np.random.default_rng(seed)
    learned, judged = (
        _draw(np.flatnonzero(asked & (rows.part == part)), most, generator)
        for part, most in ((TRAIN, LEARNED), (TEST, ASKED))
    )
    chosen = np.concatenate([learned, judged])
    number = rows.frozen.at[chosen]
    item, answer = rows.frozen.options[number].astype(np.int64), rows.frozen.answer[number].astype(np.int64)
    titles = IdMap(rows.titles)
    clean = np.array([titles.of(title) for title in rows.titles], dtype=np.int64)
    raw = clean if rows.raw_titles is None else np.array([titles.of(title) for title in rows.raw_titles])
    texts = [*dict.fromkeys([*rows.titles, *(rows.raw_titles or ())])]
    options = raw[item]
    at = np.arange(len(chosen))
    options[at, answer] = clean[item[at, answer]]
    index, seen_items = log.histories(chosen)
    return MultipleChoiceSet(
        texts=texts,
        options=options,
        answer=answer,
        user=log.user[chosen].astype(np.int64),
        in_training=at < len(learned),
        seen_items=np.stack([index, clean[rows.code[seen_items]]], axis=1),
        item=item,
    )


def _draw(rows: Ints, most: int, generator: np.random.Generator) -> Ints:
    """At most so many of the rows, in order."""
    return rows if len(rows) <= most else np.sort(generator.choice(rows, most, replace=False))


def _foreign(questions: Sequence[Question], seed: int) -> MultipleChoiceSet:
    """Questions of a file; where it does not say which are for training, half of the askers are drawn for that."""
    texts: dict[str, int] = {}

    def of(text: str) -> int:
        return texts.setdefault(text, len(texts))

    width = max(len(question.options) for question in questions)
    options = np.full((len(questions), width), PAD_ID, dtype=np.int64)
    seen_items = []
    askers: dict[tuple[str, ...], int] = {}
    for row, question in enumerate(questions):
        options[row, : len(question.options)] = [of(text) for text in question.options]
        seen_items += [(row, of(text)) for text in question.history]
        askers.setdefault((question.user,) if question.user else question.history, len(askers))
    asker = np.array([askers[(q.user,) if q.user else q.history] for q in questions], dtype=np.int64)
    stated = [question.learned for question in questions]
    if all(one is not None for one in stated) and len(set(stated)) > 1:
        learned = np.array(stated, dtype=np.bool_)
    else:
        learned = (np.random.default_rng(seed).random(len(askers)) < 0.5)[asker]
    return MultipleChoiceSet(
        texts=list(texts),
        options=options,
        answer=np.array([question.answer for question in questions], dtype=np.int64),
        user=asker,
        in_training=learned,
        seen_items=np.array(seen_items, dtype=np.int64).reshape(-1, 2),
    )


def _written(rows: Sequence[Instruction]) -> WrittenAnswers | None:
    """Rows that all say whose they are and what they are for, some of them for training and some not."""
    if not all(row.user and row.learned is not None for row in rows) or len({row.learned for row in rows}) < 2:
        return None
    listed = [row.items for row in rows]
    answers = listed if any(listed) else [(row.answer,) for row in rows]
    texts, askers = IdMap([]), IdMap([])
    given = [(number, texts.of(text)) for number, answer in enumerate(answers) for text in answer]
    return WrittenAnswers(
        texts=[*dict.fromkeys(text for answer in answers for text in answer)],
        answers=np.array(given, dtype=np.int64).reshape(-1, 2),
        user=np.array([askers.of(row.user) for row in rows], dtype=np.int64),
        in_training=np.array([row.learned for row in rows], dtype=np.bool_),
    )


def _outcome(run: Run, log: Log) -> Outcome | None:
    """What a run made of its test cases, from ``predictions.parquet``, and what its scorer has counted.

    None for a run that is judged by other things than rankings and options.
    """
    path = run.folder / "predictions.parquet"
    if (run.folder / METRICS).exists() and not path.exists():
        return None
    try:
        columns = pq.read_table(path).to_pydict()
    except FileNotFoundError as error:
        raise RunError("the run is not evaluated", where=str(run.folder), hint="use shoptalk evaluate") from error
    except (pa.ArrowException, OSError) as error:
        raise RunError(f"damaged: {error}", where=str(path), hint="evaluate the run again") from error
    try:
        judged = _ranking(columns, log) if "ranked" in columns else _choices(columns)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise RunError(f"damaged: {error}", where=str(path), hint="evaluate the run again") from error
    metric, own, swapped, chance = judged
    ranks = {"the model" if name == "rank" else name.removeprefix("rank_"): _ranks(columns[name]) for name in columns
             if name == "rank" or name.startswith("rank_")}  # fmt: skip
    scorer = load_transition_text(run.model)
    known = None if scorer is None else scorer.has_interactions[: len(log.items)]
    return Outcome(
        metric=metric,
        values=own,
        swapped=swapped,
        chance=chance,
        tied=np.array(columns["tied"], dtype=np.bool_),
        ranks={name: own for name, own in ranks.items() if own is not None},
        catalogue=len(log.items),
        cut=_cut(run),
        transitions=None if scorer is None else _pairs(scorer.graph, scorer.has_interactions, len(log.items)),
        known=known,
    )


_Judged = tuple[str, Any, Any, float]


def _choices(columns: Mapping[str, Any]) -> _Judged:
    answers = columns["answer"]
    own, swapped = (
        correctness([np.array(row) for row in columns[name]], answers) for name in ("scores", "swapped_scores")
    )
    chance = float(np.mean([1 / len(row) for row in columns["scores"]]))
    return "accuracy", own, swapped, chance


def _ranking(columns: Mapping[str, Any], log: Log) -> _Judged:
    codes = IdMap(log.items)
    targets = codes.pairs(columns["truth"])
    own, swapped = (
        find(codes.table(columns[name], DEFAULT_K), targets).recall(DEFAULT_K) if name in columns else None
        for name in ("ranked", "swapped_ranked")
    )
    return f"recall@{DEFAULT_K}", own, swapped, 0.0


def _ranks(values: Sequence[int | None]) -> Ints | None:
    """Ranks of the right items; None where a method did not rank them all."""
    return None if any(value is None for value in values) else np.array(values, dtype=np.int64)


def _cut(run: Run) -> dict[str, float]:
    """Shares of the training examples and of the test's prompts that were cut, where the run tells."""
    training, evaluation = run.info.get("training", {}), read_evaluation(run.folder)
    found = {}
    if training.get("examples"):
        found["training examples"] = training.get("cut", 0) / training["examples"]
    if evaluation is not None and evaluation.cut is not None:
        found["test prompts"] = evaluation.cut
    return found


def _pairs(graph: Any, known: Bools, items: int) -> Ints:
    """(E, 2) pairs of bought items with an edge; those of new items are borrowed, and say nothing."""
    coo = graph.tocoo()
    kept = known[coo.row] & known[coo.col] & (coo.row < items) & (coo.col < items)
    return np.stack([coo.row[kept], coo.col[kept]], axis=1).astype(np.int64)
