"""The evidence in files of another system: rows of a benchmark, or RecBole's atomic files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from shoptalk.data.benchmarks.interpret import interpret, listed_items
from shoptalk.data.benchmarks.read import BenchmarkFile, read_benchmark
from shoptalk.data.benchmarks.row import BenchmarkRow
from shoptalk.errors import UsageError
from shoptalk.evaluation.audit.benchmark import LABEL, OPEN, OPTIONS, Benchmark, TokenCounts
from shoptalk.evaluation.audit.evidence import Evidence, MultipleChoiceSet, WrittenAnswers
from shoptalk.evaluation.id_map import PAD_ID, IdMap, Ints
from shoptalk.results import AuditedFile
from shoptalk.stages.audit_atomic import is_atomic, read_log

#: Largest numbers of training questions and of test questions that the checks of options see.
TRAINING_QUESTIONS, TEST_QUESTIONS = 8_000, 5_000
#: Kinds of rows by name.
KINDS = {"labels": LABEL, "options": OPTIONS, "items": OPEN}
#: Most rows whose tokens are counted.
MOST_TOKENIZED = 20_000


@dataclass(frozen=True)
class BenchmarkFiles:
    """The files of another system that are audited together.

    Attributes
    ----------
    train, test
        Files of one part.
    other
        Files of any format whose rows may say to which part they belong; beside files for training they are the test.
    candidates, alpaca
        Files whose format is stated: questions with options, instruction rows.
    tokenizer, max_tokens
        A model by name or path, and a length in tokens of its tokenizer, at which rows are cut.
    """

    train: tuple[Path, ...] = ()
    test: tuple[Path, ...] = ()
    other: tuple[Path, ...] = ()
    candidates: tuple[Path, ...] = ()
    alpaca: tuple[Path, ...] = ()
    tokenizer: str | None = None
    max_tokens: int | None = None

    @property
    def all(self) -> tuple[tuple[Path, bool | None, str | None], ...]:
        """Path, part and format of each file; None where unknown."""
        return (
            *((path, True, None) for path in self.train),
            *((path, False, None) for path in self.test),
            *((path, None, None) for path in self.other),
            *((path, None, "questions with options") for path in self.candidates),
            *((path, None, "instruction rows") for path in self.alpaca),
        )

    def __bool__(self) -> bool:
        """Whether there is any file."""
        return bool(self.all)


def benchmark_evidence(files: BenchmarkFiles, seed: int) -> tuple[Evidence, tuple[AuditedFile, ...]]:
    """Read the files: the evidence in them, and how they were understood.

    Rows that list options become questions as well, and rows with other answers texts.

    Raises
    ------
    ShoptalkError
        If a file cannot be read, atomic files are mixed with others, or a tokenizer is given without a length.
    """
    if (files.tokenizer is None) != (files.max_tokens is None):
        raise UsageError("a tokenizer and a length belong together", hint="--tokenizer MODEL --max-tokens N")
    atomic = [is_atomic(path) for path, _, _ in files.all]
    if any(atomic):
        if not all(atomic):
            raise UsageError("atomic files cannot be audited together with other files", hint="audit them separately")
        log, sizes = read_log([(path, part) for path, part, _ in files.all])
        audited = tuple(
            AuditedFile(str(path), "atomic file of RecBole", size, _part(part))
            for (path, part, _), size in zip(files.all, sizes, strict=True)
        )
        return Evidence(log=log, seed=seed), audited
    read = [read_benchmark(path, for_training=part, name=name, seed=seed) for path, part, name in files.all]
    audited = tuple(
        AuditedFile(str(file.path), file.format, file.total, _part(part))
        for file, (_, part, _) in zip(read, files.all, strict=True)
    )
    return evidence_of(interpret([row for file in read for row in file.rows], seed=seed), read, files, seed), audited


def contents(benchmark: Benchmark | None) -> dict[str, int]:
    """Number of rows by what their answers are; empty for purchases."""
    if benchmark is None:
        return {}
    counts = {name: len(benchmark.rows_of(kind)) for name, kind in KINDS.items()}
    return {name: count for name, count in counts.items() if count}


def _part(for_training: bool | None) -> Literal["train", "test", "unknown"]:
    return "unknown" if for_training is None else "train" if for_training else "test"


def evidence_of(
    rows: Sequence[BenchmarkRow], read: Sequence[BenchmarkFile], files: BenchmarkFiles, seed: int
) -> Evidence:
    """The evidence in rows of benchmark files."""
    benchmark = as_benchmark(rows, read, files, seed)
    written = [rows[row] for row in benchmark.rows_of(OPEN).tolist()]
    questions = benchmark.rows_of(OPTIONS)
    return Evidence(
        choice_set=choice_set(benchmark, questions, seed) if len(questions) else None,
        texts=[(row.prompt, row.answer) for row in rows if row.prompt and not row.options],
        written=_written_answers(written, benchmark),
        seed=seed,
        benchmark=benchmark,
    )


def as_benchmark(
    rows: Sequence[BenchmarkRow], read: Sequence[BenchmarkFile], files: BenchmarkFiles, seed: int
) -> Benchmark:
    """The rows as columns."""
    parts = np.array([row.for_training is True for row in rows], dtype=np.bool_)
    kind = np.array([OPTIONS if row.options else LABEL if row.has_label else OPEN for row in rows], dtype=np.int64)
    names = dict.fromkeys(name for row in rows for name in row.segments)
    return Benchmark(
        where=[row.where for row in rows],
        prompt=[row.prompt for row in rows],
        answer=[row.answer for row in rows],
        user=[row.user for row in rows],
        kind=kind,
        in_training=parts if parts.any() and not parts.all() else None,
        history=[row.history for row in rows],
        history_is_parsed=np.array([row.history_is_parsed for row in rows], dtype=np.bool_),
        options=[row.options for row in rows],
        target=[row.target for row in rows],
        right=np.array([-1 if row.right is None else row.right for row in rows], dtype=np.int64),
        ids=[row.ids for row in rows],
        segments={name: [row.segments.get(name, "") for row in rows] for name in names},
        sampled=tuple(str(file.path) for file in read if file.total > len(file.rows)),
        unread_options=sum(row.unread_options for row in rows),
        tokens=_tokens(rows, files, seed),
    )


def _tokens(rows: Sequence[BenchmarkRow], files: BenchmarkFiles, seed: int) -> TokenCounts | None:
    """The lengths in tokens of the rows, or of a sample of them; None without a tokenizer or without prompts."""
    if files.tokenizer is None or files.max_tokens is None or not any(row.prompt for row in rows):
        return None
    from shoptalk.models.tokenizer import load_tokenizer  # transformers would slow down other audits

    tokenizer = load_tokenizer(files.tokenizer)
    numbers = np.arange(len(rows))
    if len(rows) > MOST_TOKENIZED:
        numbers = np.sort(np.random.default_rng(seed).choice(numbers, MOST_TOKENIZED, replace=False))
    counts = np.array(
        [
            (len(tokenizer.encode(rows[number].prompt)), len(tokenizer.encode(rows[number].answer)))
            for number in numbers.tolist()
        ],
        dtype=np.int64,
    )
    return TokenCounts(files.tokenizer, files.max_tokens, numbers, counts[:, 0], counts[:, 1])


def choice_set(benchmark: Benchmark, rows: Ints, seed: int) -> MultipleChoiceSet:
    """Questions with options as arrays; of many questions a sample.

    A question without a user belongs to the user with its history. If the files do not say which questions are for
    training, those of a random half of the users are.
    """
    generator = np.random.default_rng(seed)
    user_codes: dict[tuple[str, ...], int] = {}
    users = np.array(
        [
            user_codes.setdefault(
                (benchmark.user[row],) if benchmark.user[row] else benchmark.history[row], len(user_codes)
            )
            for row in rows.tolist()
        ],
        dtype=np.int64,
    )
    learned = np.zeros(len(rows), dtype=np.bool_) if benchmark.in_training is None else benchmark.in_training[rows]
    if learned.all() or not learned.any():
        learned = (generator.random(len(user_codes)) < 0.5)[users]
    chosen = np.sort(
        np.concatenate(
            [
                part if len(part) <= most else generator.choice(part, most, replace=False)
                for part, most in (
                    (np.flatnonzero(learned), TRAINING_QUESTIONS),
                    (np.flatnonzero(~learned), TEST_QUESTIONS),
                )
            ]
        )
    )
    rows, users, learned = rows[chosen], users[chosen], learned[chosen]
    shown, histories = ([table[row] for row in rows.tolist()] for table in (benchmark.options, benchmark.history))
    texts = IdMap([])
    options = np.full((len(rows), max(map(len, shown))), PAD_ID, dtype=np.int64)
    seen_items: list[tuple[int, int]] = []
    for number, (question, history) in enumerate(zip(shown, histories, strict=True)):
        options[number, : len(question)] = [texts.of(text) for text in question]
        seen_items += [(number, texts.of(text)) for text in history]
    return MultipleChoiceSet(
        texts=texts.names,
        options=options,
        answer=benchmark.right[rows],
        user=users,
        in_training=learned,
        seen_items=np.array(seen_items, dtype=np.int64).reshape(-1, 2),
    )


def _written_answers(rows: Sequence[BenchmarkRow], benchmark: Benchmark) -> WrittenAnswers | None:
    """Rows with a written answer as arrays; None unless all rows name a user and both parts occur.

    The answers are the lists of items, if any row has one, else the texts.
    """
    parts = [row.for_training is True for row in rows]
    if benchmark.in_training is None or len(set(parts)) < 2 or not all(row.user for row in rows):
        return None
    item_lists = [listed_items(row.answer) for row in rows]
    answers = item_lists if any(item_lists) else [(row.answer,) for row in rows]
    text_codes, user_codes = IdMap([]), IdMap([])
    given = [(number, text_codes.of(text)) for number, answer in enumerate(answers) for text in answer]
    return WrittenAnswers(
        texts=text_codes.names,
        answers=np.array(given, dtype=np.int64).reshape(-1, 2),
        user=np.array([user_codes.of(row.user) for row in rows], dtype=np.int64),
        in_training=np.array(parts, dtype=np.bool_),
    )
