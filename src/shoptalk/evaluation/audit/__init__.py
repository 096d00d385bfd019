"""The audit: checks for leaks and shortcuts that would make metrics misleading.

Each check is one file, works on tables and ranked lists only, and yields findings. A new check is a file with a
function ``check`` and a line in ``CHECKS``.
"""

from collections.abc import Callable, Iterator

from shoptalk.evaluation.audit import (
    future,
    ids,
    options,
    overlap,
    personal,
    sampled,
    shortcuts,
    targets,
    ties,
    truncation,
)
from shoptalk.evaluation.audit.evidence import Evidence
from shoptalk.evaluation.audit.finding import Finding
from shoptalk.plugins import Registry
from shoptalk.progress import Progress, silent

Check = Callable[[Evidence], Iterator[Finding]]

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
    }
)
_ORDER = ("fail", "warn", "info")


def audit(evidence: Evidence, progress: Progress = silent) -> list[Finding]:
    """The findings of all checks, the most severe first.

    Parameters
    ----------
    progress
        Called with the number of finished checks, the number of all checks and the name of the next check.
    """
    findings: list[Finding] = []
    for number, (name, check) in enumerate(CHECKS.items()):
        progress("audit", number, len(CHECKS), name)
        findings += check(evidence)
    progress("audit", len(CHECKS), len(CHECKS), "done")
    return sorted(findings, key=lambda finding: _ORDER.index(finding.severity))
