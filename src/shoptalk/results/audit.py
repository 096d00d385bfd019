"""The result of an audit."""

from dataclasses import dataclass, field
from typing import Literal

from shoptalk.results.figures import NOT_MEASURED
from shoptalk.schema import Estimate
from shoptalk.typed_json import INLINE

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
class AuditResult:
    """The result of an audit: ``audit.json``, and the output of ``shoptalk audit --json``.

    Attributes
    ----------
    findings
        The findings, the most severe first.
    clean
        Whether no finding has the severity ``fail``.
    """

    findings: tuple[Finding, ...]
    clean: bool
