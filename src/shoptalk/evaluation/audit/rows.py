"""Rows of benchmark files that occur twice: within a part, in two parts, or as the future of a training row."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from shoptalk.evaluation.audit.benchmark import LABEL, Benchmark, normalised
from shoptalk.evaluation.audit.evidence import MOST_CASES, Evidence
from shoptalk.evaluation.audit.finding import Finding, NotChecked, finding_above, share, shorten
from shoptalk.evaluation.id_map import Bools, Ints

#: Shares above which a finding is a warning, and above which an overlap that must not occur is a failure.
WARN_SHARE, FAIL_SHARE = 0.01, 0.001
#: Fewest items of a history by which a user is recognised, and share of them that a training row must contain.
MIN_ITEMS, SAME_HISTORY = 4, 0.8
#: Most training rows that are compared with a test row.
MOST_COMPARED = 200


def check(evidence: Evidence) -> Iterator[Finding | NotChecked]:
    """Repeated and contradictory rows; rows and cases of the test in training; targets in histories of training."""
    benchmark = evidence.benchmark
    if benchmark is None or not len(benchmark):
        return
    keys = [_row_key(benchmark, row) for row in range(len(benchmark))]
    if benchmark.sampled:
        yield NotChecked(
            "all rows",
            f"of {', '.join(benchmark.sampled)} only a random sample of the rows was read: copies and overlaps are "
            "lower bounds",
        )
    yield from _repeated(benchmark, keys)
    if not len(benchmark.training) or not len(benchmark.test):
        yield NotChecked(
            "overlap of training and test",
            "there is only one part",
            "give both: --train FILE --test FILE",
        )
        return
    yield from _between_parts(benchmark, keys)
    yield from _futures(benchmark, evidence.seed)


def _row_key(benchmark: Benchmark, row: int) -> int:
    """A number that is equal for equal rows."""
    content = benchmark.prompt[row] or (benchmark.history[row], benchmark.options[row], benchmark.target[row])
    return hash((content, benchmark.answer[row], benchmark.user[row]))


def _question_key(benchmark: Benchmark, row: int) -> int | None:
    """A number that is equal for rows about the same target after the same history; None where these are unknown."""
    if not benchmark.history_is_parsed[row] or not benchmark.target[row] or not benchmark.history[row]:
        return None
    items = tuple(normalised(item) for item in benchmark.history[row])
    return hash((items, normalised(benchmark.target[row])))


def _repeated(benchmark: Benchmark, keys: Sequence[int]) -> Iterator[Finding]:
    """Rows of the test that occur before in it, and questions with two answers."""
    test = benchmark.test.tolist()
    seen: dict[int, int] = {}
    repeated, first_copy = [], ""
    for row in test:
        earlier = seen.setdefault(keys[row], row)
        repeated.append(earlier != row)
        if earlier != row and not first_copy:
            first_copy = f"{benchmark.where[earlier]} and {benchmark.where[row]}"
    size = share(repeated)
    yield finding_above(
        "repeated_rows",
        size,
        WARN_SHARE,
        f"{size.value:.3f} of the rows{'' if benchmark.in_training is None else ' of the test'} are copies of an "
        "earlier row",
        example=first_copy,
        do="remove the copies: they count twice in every metric",
    )
    answers: dict[int, set[str]] = defaultdict(set)
    rows = [row for row in test if benchmark.kind[row] == LABEL]
    if not rows:
        return
    questions = [
        hash((benchmark.prompt[row] or (benchmark.history[row], benchmark.target[row]), benchmark.user[row]))
        for row in rows
    ]
    for question, row in zip(questions, rows, strict=True):
        answers[question].add(normalised(benchmark.answer[row]))
    contradictory = np.array([len(answers[question]) > 1 for question in questions])
    size = share(contradictory)
    yield finding_above(
        "contradictory_rows",
        size,
        WARN_SHARE,
        f"{size.value:.3f} of the rows ask a question that another row answers differently",
        example=benchmark.where[rows[int(contradictory.argmax())]] if contradictory.any() else "",
        do="keep one answer for each question",
    )


def _between_parts(benchmark: Benchmark, keys: Sequence[int]) -> Iterator[Finding | NotChecked]:
    """Rows, and pairs of history and target, of the test that are also in training."""
    training = {keys[row]: row for row in benchmark.training.tolist()}
    test = benchmark.test.tolist()
    copied = np.array([keys[row] in training for row in test], dtype=np.bool_)
    size = share(copied)
    yield finding_above(
        "rows_in_two_parts",
        size,
        FAIL_SHARE,
        f"{size.value:.4f} of the rows of the test are also in training, word for word",
        severity="fail",
        example=_pair(benchmark, test[int(copied.argmax())], training[keys[test[int(copied.argmax())]]])
        if copied.any()
        else "",
        do="remove the rows of the test from training",
    )
    questions = [_question_key(benchmark, row) for row in range(len(benchmark))]
    known = [index for index, row in enumerate(test) if questions[row] is not None]
    if not known:
        yield NotChecked(
            "the same case in other words",
            "the items of the histories, or the targets, could not be told apart in the prompts",
        )
        return
    asked = {questions[row]: row for row in benchmark.training.tolist() if questions[row] is not None}
    same = np.array([questions[test[index]] in asked and not copied[index] for index in known], dtype=np.bool_)
    size = share(same)
    first = test[known[int(same.argmax())]]
    yield finding_above(
        "cases_in_two_parts",
        size,
        FAIL_SHARE,
        f"{size.value:.4f} of the rows of the test have the history and the target of a training row, in another row",
        severity="fail",
        example=_pair(benchmark, first, asked[questions[first]]) if same.any() else "",
        do="split users or times before writing prompts",
    )


def _pair(benchmark: Benchmark, test: int, training: int) -> str:
    return f"{benchmark.where[test]} and {benchmark.where[training]}"


def _futures(benchmark: Benchmark, seed: int) -> Iterator[Finding | NotChecked]:
    """Targets of the test that the history of a training row of the same user already contains."""
    test = np.array(
        [
            row
            for row in benchmark.test.tolist()
            if benchmark.target[row]
            and benchmark.history_is_parsed[row]
            and (benchmark.has_users or len(set(benchmark.history[row])) >= MIN_ITEMS)
        ],
        dtype=np.int64,
    )
    if not len(test):
        yield NotChecked(
            "test targets in training histories",
            f"the rows name no user, and no history of {MIN_ITEMS} items by which one could be recognised",
            'give a column or key "user"',
        )
        return
    if len(test) > MOST_CASES:
        test = np.sort(np.random.default_rng(seed).choice(test, MOST_CASES, replace=False))
    known, example = _known_targets(benchmark, test)
    size = share(known)
    yield finding_above(
        "test_in_training_histories",
        size,
        WARN_SHARE,
        f"for {size.value:.3f} of the rows of the test, a training row of the same user "
        f"{'' if benchmark.has_users else '(recognised by the items of the history) '}has the target in its history",
        severity="fail",
        example=example,
        do="split by time: no training row may end later than the test's rows begin",
    )


def _known_targets(benchmark: Benchmark, test: Ints) -> tuple[Bools, str]:
    """(M,) whether a training row of the same user has the target in its history, and the first example."""
    rows_by_item: dict[str, list[int]] = defaultdict(list)
    sets: dict[int, frozenset[str]] = {}
    wanted = {normalised(benchmark.target[row]) for row in test.tolist()}
    for row in benchmark.training.tolist():
        if benchmark.history_is_parsed[row]:
            items = frozenset(normalised(item) for item in benchmark.history[row])
            found = items & wanted
            if found:
                sets[row] = items
            for item in found:
                rows_by_item[item].append(row)
    known, example = np.zeros(len(test), dtype=np.bool_), ""
    for index, row in enumerate(test.tolist()):
        target = normalised(benchmark.target[row])
        own = frozenset(normalised(item) for item in benchmark.history[row]) - {target}
        for candidate in _compared(benchmark, rows_by_item[target], row):
            if benchmark.has_users or len(own & sets[candidate]) >= SAME_HISTORY * len(own):
                known[index] = True
                example = example or f"{_pair(benchmark, row, candidate)}: “{shorten(benchmark.target[row])}”"
                break
    return known, example


def _compared(benchmark: Benchmark, candidates: Sequence[int], row: int) -> Sequence[int]:
    """The training rows with the target that may be of the same user."""
    if benchmark.has_users:
        return [candidate for candidate in candidates if benchmark.user[candidate] == benchmark.user[row]]
    if len(candidates) <= MOST_COMPARED:
        return candidates
    step = len(candidates) / MOST_COMPARED
    return [candidates[int(number * step)] for number in range(MOST_COMPARED)]
