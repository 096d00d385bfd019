"""The target of a benchmark row in its own history, and among the same user's training rows."""

from collections.abc import Iterator

import numpy as np

from shoptalk.evaluation.audit.benchmark import LABEL, OPTIONS, Benchmark, normalised
from shoptalk.evaluation.audit.evidence import Evidence
from shoptalk.evaluation.audit.finding import Finding, NotChecked, finding_above, share, shorten
from shoptalk.evaluation.id_map import Ints

#: Share of the rows above which a finding is a warning.
WARN_SHARE = 0.01
#: A title with fewer words occurs in texts by chance.
MIN_WORDS = 2


def check(evidence: Evidence) -> Iterator[Finding | NotChecked]:
    """Targets in their own histories; targets that the same user was asked about in training."""
    benchmark = evidence.benchmark
    if benchmark is None or not len(benchmark):
        return
    yield _own_history(benchmark)
    yield from _same_user(benchmark)


def _own_history(benchmark: Benchmark) -> Finding | NotChecked:
    """The share of the test's rows whose target is in their history."""
    rows, repeated = [], []
    for row in benchmark.test.tolist():
        target, history = normalised(benchmark.target[row]), benchmark.history[row]
        if not target or not history:
            continue
        if benchmark.history_is_parsed[row]:
            repeated.append(target in {normalised(item) for item in history})
        elif benchmark.kind[row] == OPTIONS and len(target.split()) >= MIN_WORDS:
            repeated.append(target in normalised(history[0]))
        else:
            continue
        rows.append(row)
    if not rows:
        return NotChecked(
            "the target in its own history",
            "the items of the histories, or the targets, could not be told apart in the prompts",
            "put titles between double quotes, or give them as lists",
        )
    size = share(repeated)
    first = rows[int(np.argmax(repeated))]
    return finding_above(
        "target_in_history",
        size,
        WARN_SHARE,
        f"in {size.value:.3f} of the rows the history contains the target",
        example=f"{benchmark.where[first]}: “{shorten(benchmark.target[first])}”" if any(repeated) else "",
        do="leave them out or report them separately: copying from the history answers them",
    )


def _same_user(benchmark: Benchmark) -> Iterator[Finding | NotChecked]:
    """Targets that a label judges and about which the same user was asked in training."""
    if not len(benchmark.training) or not len(benchmark.test):
        return
    if not benchmark.has_users:
        yield NotChecked(
            "answers of the same user in training", "the rows do not name their users", 'give a column or key "user"'
        )
        return
    test = [row for row in _with_target(benchmark, benchmark.test) if benchmark.kind[row] == LABEL]
    if not test:
        return
    asked = {_case(benchmark, row) for row in _with_target(benchmark, benchmark.training)}
    repeated = [_case(benchmark, row) in asked for row in test]
    size = share(repeated)
    first = test[int(np.argmax(repeated))]
    yield finding_above(
        "same_user_and_target",
        size,
        WARN_SHARE,
        f"{size.value:.3f} of the rows of the test are about a user and an item of a training row",
        severity="fail",
        example=f"{benchmark.where[first]}: user {benchmark.user[first]}, “{shorten(benchmark.target[first])}”"
        if any(repeated)
        else "",
        do="keep each pair of user and item in one part",
    )


def _with_target(benchmark: Benchmark, rows: Ints) -> list[int]:
    return [row for row in rows.tolist() if benchmark.target[row]]


def _case(benchmark: Benchmark, row: int) -> tuple[str, str]:
    return benchmark.user[row], normalised(benchmark.target[row])
