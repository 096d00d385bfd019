"""The audit: checks for leaks and shortcuts that would make metrics misleading.

Each check is one file, works on tables and ranked lists only, and yields findings, or `NotChecked` for what it could
not check of a benchmark file. A new check is a file with a function ``check`` and a line in ``CHECKS``.
"""

from collections.abc import Callable, Iterator, Sequence

from shoptalk.evaluation.audit import (
    copies,
    future,
    ids,
    labels,
    options,
    overlap,
    personal,
    rows,
    sampled,
    segments,
    shortcuts,
    target_histories,
    targets,
    ties,
    token_length,
    truncation,
)
from shoptalk.evaluation.audit.evidence import Evidence
from shoptalk.evaluation.audit.finding import Finding, NotChecked
from shoptalk.plugins import Registry
from shoptalk.progress import Progress, silent

Check = Callable[[Evidence], Iterator[Finding | NotChecked]]

CHECKS: Registry[Check] = Registry(
    {
        "shortcuts in the options": shortcuts.check,
        "personalisation": personal.check,
        "overlap": overlap.check,
        "time": future.check,
        "ties": ties.check,
        "item ids": ids.check,
        "truncation": truncation.check,
        "options": options.check,
        "targets": targets.check,
        "sampled metrics": sampled.check,
        "segments of the prompt": segments.check,
        "balance of the answers": labels.check,
        "rows": rows.check,
        "targets in histories": target_histories.check,
        "options of copies": copies.check,
        "token length": token_length.check,
    }
)
_ORDER = ("fail", "warn", "info")
#: Findings that decide whether enough of a benchmark could be checked, and the fewest of them.
ESSENTIAL = frozenset(
    {
        "options_only",
        "target_alone",
        "last_line_alone",
        "prompt_without_history",
        "frequent_answers",
        "rows_in_two_parts",
        "test_in_training_histories",
        "target_in_history",
        "overlapping_windows",
    }
)
MIN_ESSENTIAL = 3


def audit(evidence: Evidence, progress: Progress = silent) -> list[Finding]:
    """The findings of all checks, the most severe first; see `examine`."""
    return examine(evidence, progress)[0]


def examine(evidence: Evidence, progress: Progress = silent) -> tuple[list[Finding], list[NotChecked]]:
    """The findings of all checks, the most severe first, and what could not be checked.

    Parameters
    ----------
    progress
        Called with the number of finished checks, the number of all checks and the name of the next check.
    """
    results: list[Finding | NotChecked] = []
    for number, (name, check) in enumerate(CHECKS.items()):
        progress("audit", number, len(CHECKS), name)
        results += check(evidence)
    progress("audit", len(CHECKS), len(CHECKS), "done")
    findings = [result for result in results if isinstance(result, Finding)]
    not_checked = [result for result in results if isinstance(result, NotChecked)]
    return sorted(findings, key=lambda finding: _ORDER.index(finding.severity)), not_checked


def is_conclusive(findings: Sequence[Finding]) -> bool:
    """Whether a benchmark file has a failure, or enough of it was checked to say that it has none."""
    checks = {finding.check for finding in findings}
    return any(finding.severity == "fail" for finding in findings) or len(checks & ESSENTIAL) >= MIN_ESSENTIAL
