"""Options that are drawn again for each copy of a question: the right option is the one that all copies share."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from shoptalk.evaluation.audit.benchmark import OPTIONS, normalised
from shoptalk.evaluation.audit.evidence import Evidence
from shoptalk.evaluation.audit.finding import Finding, NotChecked, finding_above, share

#: Share of the questions above which a finding is a failure.
FAIL_SHARE = 0.01


def check(evidence: Evidence) -> Iterator[Finding | NotChecked]:
    """The share of the questions that have another set of options in a copy."""
    benchmark = evidence.benchmark
    if benchmark is None:
        return
    rows = benchmark.rows_of(OPTIONS)
    if benchmark.unread_options:
        yield NotChecked(
            "options",
            f"{benchmark.unread_options:,} rows announce options that could not be told apart, or of which none is the "
            "answer",
            "mark the options by letters or numbers, or give them as a list",
        )
    if not len(rows):
        return
    copies: dict[int, list[int]] = defaultdict(list)
    for row in rows.tolist():
        copies[hash((benchmark.history[row], benchmark.user[row], normalised(benchmark.target[row])))].append(row)
    redrawn = np.zeros(len(rows), dtype=np.bool_)
    index = {row: position for position, row in enumerate(rows.tolist())}
    revealed, example = 0, ""
    for members in copies.values():
        sets = [frozenset(map(normalised, benchmark.options[row])) for row in members]
        if len(set(sets)) > 1:
            redrawn[[index[row] for row in members]] = True
            revealed += len(members) * (len(frozenset.intersection(*sets)) == 1)
            different = next(row for row, options in zip(members, sets, strict=True) if options != sets[0])
            example = example or f"{benchmark.where[members[0]]} and {benchmark.where[different]}"
    size = share(redrawn)
    yield finding_above(
        "options_redrawn",
        size,
        FAIL_SHARE,
        f"{size.value:.3f} of the questions have other options in a copy; in {revealed / len(rows):.3f} the right "
        "option is the only one that all copies have",
        severity="fail",
        example=example,
        do="draw the options of each question once and store them",
    )
