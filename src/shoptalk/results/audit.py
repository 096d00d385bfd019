"""What an audit returns."""

from dataclasses import dataclass, field
from typing import Literal

from shoptalk.results.figures import NOT_MEASURED
from shoptalk.schema import Estimate
from shoptalk.typed_json import INLINE

#: ``fail``: a conclusion would change. ``warn``: a figure needs a word beside it. ``info``: looked at, and fine.
Severity = Literal["fail", "warn", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of the audit.

    Attributes
    ----------
    check
        What was looked at.
    severity
        ``fail``: a conclusion would change. ``warn``: a figure needs a word beside it. ``info``: fine.
    says
        What was found, in a sentence.
    size
        The measured strength of the flaw, with its interval; null and ``n`` 0 where there is nothing to measure.
    example
        A case of it; empty where there is none.
    do
        What to do about it; empty where there is nothing to do.
    """

    check: str
    severity: Severity
    says: str
    size: Estimate = field(default=NOT_MEASURED, metadata=INLINE)
    example: str = ""
    do: str = ""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What an audit found: ``audit.json``, and what ``shoptalk audit --json`` prints.

    Attributes
    ----------
    findings
        The worst first.
    clean
        Whether none of them is a ``fail``.
    """

    findings: tuple[Finding, ...]
    clean: bool
