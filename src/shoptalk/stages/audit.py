"""Auditing a dataset, a run or files of another system: collects the evidence and runs all checks on it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from shoptalk.arrow import read_parquet
from shoptalk.constants import DEFAULT_K
from shoptalk.data.cases import TEST, TRAIN, case_rows
from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.errors import DatasetError, RunError, UsageError
from shoptalk.evaluation.audit import audit, examine, is_conclusive
from shoptalk.evaluation.audit.evidence import Evidence, Log, MultipleChoiceSet, Outcome
from shoptalk.evaluation.catalogue import find
from shoptalk.evaluation.id_map import Bools, IdMap, Ints
from shoptalk.evaluation.options import correctness
from shoptalk.graph.storage import FILE, load_graph
from shoptalk.progress import Progress
from shoptalk.recommend.transition_text import load_transition_text
from shoptalk.results import AUDIT, METRICS, AuditResult, read_evaluation, write_result
from shoptalk.runs import Run, open_run
from shoptalk.stages.audit_files import TEST_QUESTIONS, TRAINING_QUESTIONS, BenchmarkFiles, benchmark_evidence, contents
from shoptalk.stages.load_dataset import open_run_dataset


def audit_run(run: Run, dataset: Dataset, progress: Progress, *, seed: int = 1) -> AuditResult:
    """Audit a run with the dataset that it was trained on, and write ``audit.json`` into it.

    Raises
    ------
    ShoptalkError
        If the run is not evaluated.
    """
    result = _result(_evidence(dataset, seed, run), progress)
    write_result(run.folder / AUDIT, result)
    return result


def audit_dataset(dataset: Dataset, progress: Progress, *, seed: int = 1) -> AuditResult:
    """Audit a dataset alone."""
    return _result(_evidence(dataset, seed), progress)


def audit_files(files: BenchmarkFiles, progress: Progress, *, seed: int = 1) -> AuditResult:
    """Audit benchmark files of another system.

    Raises
    ------
    ShoptalkError
        If a file cannot be read.
    """
    evidence, audited = benchmark_evidence(files, seed)
    findings, not_checked = examine(evidence, progress)
    conclusive = evidence.benchmark is None or is_conclusive(findings)
    clean = conclusive and all(finding.severity != "fail" for finding in findings)
    return AuditResult(tuple(findings), clean, tuple(not_checked), conclusive, audited, contents(evidence.benchmark))


def audit_anything(
    dataset: Path | None, run: Path | None, files: BenchmarkFiles, progress: Progress, *, seed: int = 1
) -> AuditResult:
    """Audit a dataset, a run with its dataset, or files of another system.

    Parameters
    ----------
    dataset
        Dataset folder; with ``run``, it must be the one that the run was trained on. A file counts as one of ``files``.
    run
        Run folder.
    files
        Files of another system; they exclude all other inputs.
    seed
        Seed of all samples.

    Raises
    ------
    ShoptalkError
        If no input is given, the inputs do not fit together, or an input cannot be read.
    """
    if dataset is not None and dataset.is_file():
        files, dataset = replace(files, other=(dataset, *files.other)), None
    if files and (dataset or run):
        raise UsageError(
            "files of another system cannot be audited together with a dataset or a run",
            hint="give files (FILE, --train, --test, --candidates, --alpaca), or a dataset, or --run",
        )
    if files:
        return audit_files(files, progress, seed=seed)
    if run is not None:
        opened = open_run(run)
        if dataset is not None and open_dataset(dataset).fingerprint != opened.info["fingerprint"]:
            raise DatasetError("this is not the dataset that the run was trained on", where=str(dataset))
        return audit_run(opened, open_run_dataset(opened), progress, seed=seed)
    if dataset is None:
        raise UsageError("nothing to audit", hint="name a dataset, a file, --run, or --train and --test")
    return audit_dataset(open_dataset(dataset), progress, seed=seed)


def _result(evidence: Evidence, progress: Progress) -> AuditResult:
    """Run all checks; the result is clean if no finding has the severity ``fail``."""
    findings = audit(evidence, progress)
    return AuditResult(tuple(findings), clean=all(finding.severity != "fail" for finding in findings))


def _evidence(dataset: Dataset, seed: int, run: Run | None = None) -> Evidence:
    """The evidence in a dataset and, if given, in a run that was trained on it."""
    log = _log(dataset)
    outcome = _outcome(run, log) if run is not None else None
    return Evidence(log=log, choice_set=_choice_set(dataset, log, seed), outcome=outcome, seed=seed)


def _log(dataset: Dataset) -> Log:
    """All purchases of a dataset as arrays."""
    rows = dataset.rows
    return Log(
        user=np.repeat(np.arange(len(rows.users), dtype=np.int32), rows.end - rows.start),
        item=rows.code,
        time=rows.time,
        part=rows.part,
        users=rows.users.tolist(),
        items=rows.item_ids,
        titles=rows.titles,
        method=dataset.recipe.split.method,
        ties=dataset.recipe.split.ties,
        withheld=bool(dataset.recipe.split.cold),
    )


def _choice_set(dataset: Dataset, log: Log, seed: int) -> MultipleChoiceSet | None:
    """A sample of the training and test questions of a dataset; None for a dataset without candidates."""
    rows = dataset.rows
    if rows.candidates is None or not len(rows.code):
        return None
    has_question = case_rows(rows.position, rows.part)
    generator = np.random.default_rng(seed)
    training_rows, test_rows = (
        _sample(np.flatnonzero(has_question & (rows.part == part)), most, generator)
        for part, most in ((TRAIN, TRAINING_QUESTIONS), (TEST, TEST_QUESTIONS))
    )
    row = np.concatenate([training_rows, test_rows])
    case = rows.candidates.case_number[row]
    item, answer = rows.candidates.options[case].astype(np.int64), rows.candidates.answer[case].astype(np.int64)
    clean, raw, texts = _title_codes(rows.titles, rows.raw_titles)
    options = raw[item]
    question = np.arange(len(row))
    options[question, answer] = clean[item[question, answer]]
    history_question, history_row = log.histories(row)
    return MultipleChoiceSet(
        texts=texts,
        options=options,
        answer=answer,
        user=log.user[row].astype(np.int64),
        in_training=question < len(training_rows),
        seen_items=np.stack([history_question, clean[rows.code[history_row]]], axis=1),
        item=item,
    )


def _title_codes(titles: Sequence[str], raw_titles: Sequence[str] | None) -> tuple[Ints, Ints, list[str]]:
    """Codes of the I cleaned titles (I,), codes of the raw titles (I,), and the text of each code.

    Without ``raw_titles`` the raw titles are the cleaned ones.
    """
    codes = IdMap(titles)
    clean = np.array([codes.of(title) for title in titles], dtype=np.int64)
    raw = clean if raw_titles is None else np.array([codes.of(title) for title in raw_titles])
    return clean, raw, list(dict.fromkeys([*titles, *(raw_titles or ())]))


def _sample(rows: Ints, most: int, generator: np.random.Generator) -> Ints:
    """All rows, or a random sample of ``most`` of them, in order."""
    return rows if len(rows) <= most else np.sort(generator.choice(rows, most, replace=False))


def _outcome(run: Run, log: Log) -> Outcome | None:
    """Metrics, ranks and scorer of a run; None for a run that is evaluated neither by rankings nor by options.

    Raises
    ------
    RunError
        If the run is not evaluated, or its predictions are damaged.
    """
    path = run.folder / "predictions.parquet"
    if (run.folder / METRICS).exists() and not path.exists():
        return None
    columns = _read_predictions(run, path)
    try:
        values = _recall_values(columns, log) if "ranked" in columns else _accuracy_values(columns)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise RunError(f"damaged: {error}", where=str(path), hint="evaluate the run again") from error
    scorer = load_transition_text(run.model)
    return Outcome(
        metric=values.metric,
        values=values.own,
        swapped=values.swapped,
        chance=values.chance,
        tied=np.array(columns["tied"], dtype=np.bool_),
        ranks=_ranks_by_method(columns),
        catalogue=len(log.items),
        cut=_cut_fractions(run),
        transitions=None if scorer is None else _edges(scorer.graph, scorer.has_interactions, len(log.items)),
        purchases=_graph_purchases(run, len(log.items)),
        known=None if scorer is None else scorer.has_interactions[: len(log.items)],
    )


def _read_predictions(run: Run, path: Path) -> Mapping[str, Any]:
    """The columns of ``predictions.parquet``."""
    try:
        columns: Mapping[str, Any] = read_parquet(path).to_pydict()
    except FileNotFoundError as error:
        raise RunError("the run is not evaluated", where=str(run.folder), hint="use shoptalk evaluate") from error
    except (pa.ArrowException, OSError) as error:
        raise RunError(f"damaged: {error}", where=str(path), hint="evaluate the run again") from error
    return columns


class _TestValues(NamedTuple):
    """The metric of N test cases: (N,) values with the user's own history and with a swapped one, and chance level."""

    metric: str
    own: Any
    swapped: Any
    chance: float


def _accuracy_values(columns: Mapping[str, Any]) -> _TestValues:
    """Accuracy of each test case, from the scores of its options."""
    answers = columns["answer"]
    own, swapped = (
        correctness([np.array(scores) for scores in columns[name]], answers) for name in ("scores", "swapped_scores")
    )
    chance = float(np.mean([1 / len(scores) for scores in columns["scores"]]))
    return _TestValues("accuracy", own, swapped, chance)


def _recall_values(columns: Mapping[str, Any], log: Log) -> _TestValues:
    """Recall@10 of each test case, from its ranked list."""
    codes = IdMap(log.items)
    targets = codes.pairs(columns["truth"])
    own, swapped = (
        find(codes.table(columns[name], DEFAULT_K), targets).recall(DEFAULT_K) if name in columns else None
        for name in ("ranked", "swapped_ranked")
    )
    return _TestValues(f"recall@{DEFAULT_K}", own, swapped, 0.0)


def _ranks_by_method(columns: Mapping[str, Any]) -> dict[str, Ints]:
    """For the model and each baseline the (N,) ranks of the targets; without methods that did not rank all targets."""
    values_by_method = {
        "the model" if name == "rank" else name.removeprefix("rank_"): values
        for name, values in columns.items()
        if name == "rank" or name.startswith("rank_")
    }
    return {
        method: np.array(values, dtype=np.int64)
        for method, values in values_by_method.items()
        if not any(value is None for value in values)
    }


def _cut_fractions(run: Run) -> dict[str, float]:
    """Shares of the training examples and of the test prompts that were truncated, if the run records them."""
    training, evaluation = run.info.get("training", {}), read_evaluation(run.folder)
    fractions = {}
    if training.get("examples"):
        fractions["training examples"] = training.get("cut", 0) / training["examples"]
    if evaluation is not None and evaluation.cut is not None:
        fractions["test prompts"] = evaluation.cut
    return fractions


def _graph_purchases(run: Run, items: int) -> Any:
    """(U, I) the purchases in the graph of the model's attention, without items that were added; None without one."""
    if not (run.model / FILE).exists():
        return None
    return load_graph(run.model)[0].purchases[:, :items]


def _edges(graph: Any, known: Bools, items: int) -> Ints:
    """(E, 2) pairs of items with interactions that share an edge; propagated edges of cold-start items are left out."""
    coo = graph.tocoo()
    selected = known[coo.row] & known[coo.col] & (coo.row < items) & (coo.col < items)
    return np.stack([coo.row[selected], coo.col[selected]], axis=1).astype(np.int64)
