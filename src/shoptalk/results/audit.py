"""The result of an audit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shoptalk.results.figures import NOT_MEASURED
from shoptalk.schema import Estimate
from shoptalk.typed_json import ABSENT, INLINE

#: ``fail``: a conclusion would change. ``warn``: a figure needs a qualification. ``info``: checked, no problem.
Severity = Literal["fail", "warn", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of the audit.

    Attributes
    ----------
    check
        The name of the check.
    severity
        ``fail``: a conclusion would change. ``warn``: a figure needs a qualification. ``info``: no problem.
    says
        The finding in a sentence.
    size
        The measured size of the problem, with its interval; null and ``n`` 0 if it has no size.
    example
        An example; empty if there is none.
    do
        What to do about it; empty if nothing needs to be done.
    """

    check: str
    severity: Severity
    says: str
    size: Estimate = field(default=NOT_MEASURED, metadata=INLINE)
    example: str = ""
    do: str = ""


@dataclass(frozen=True, slots=True)
class NotChecked:
    """Something that the audit of a benchmark file could not check.

    Attributes
    ----------
    check
        What was not checked.
    why
        The reason, in a sentence.
    do
        What would make it possible; empty if nothing would.
    """

    check: str
    why: str
    do: str = ""


@dataclass(frozen=True, slots=True)
class AuditedFile:
    """A benchmark file as the audit understood it.

    Attributes
    ----------
    path
        The file.
    format
        The name of its format.
    rows
        Number of rows.
    part
        ``train``, ``test``, or ``unknown``: as the rows say, if they do.
    """

    path: str
    format: str
    rows: int
    part: Literal["train", "test", "unknown"]


@dataclass(frozen=True, slots=True)
class AuditResult:
    """The result of an audit: ``audit.json``, and the output of ``shoptalk audit --json``.

    Attributes
    ----------
    findings
        The findings, the most severe first.
    clean
        Whether no finding has the severity ``fail``, and enough could be checked.
    not_checked
        What could not be checked, of a benchmark file; absent for datasets and runs.
    conclusive
        Whether enough of a benchmark file could be checked for a conclusion; absent for datasets and runs.
    files
        The benchmark files; absent for datasets and runs.
    contents
        Number of rows by what their answers are: ``labels``, ``options`` or ``items``; absent for datasets and runs.
    """

    findings: tuple[Finding, ...]
    clean: bool
    not_checked: tuple[NotChecked, ...] | None = field(default=None, metadata=ABSENT)
    conclusive: bool | None = field(default=None, metadata=ABSENT)
    files: tuple[AuditedFile, ...] | None = field(default=None, metadata=ABSENT)
    contents: Mapping[str, int] | None = field(default=None, metadata=ABSENT)
