"""Rows of the audit section."""

from dataclasses import dataclass

from shoptalk.report.verdict import sentence_of
from shoptalk.results import AuditResult, Severity
from shoptalk.schema import Estimate

#: Symbol and label of each severity (not only a colour).
SEVERITIES: dict[Severity, tuple[str, str]] = {
    "fail": ("✗", "fail"),
    "warn": ("!", "warning"),
    "info": ("✓", "passed"),
}


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A finding as the page shows it."""

    severity: Severity
    symbol: str
    label: str
    title: str
    says: str
    size: Estimate
    example: str
    do: str


def finding_rows(audit: AuditResult) -> list[FindingRow]:
    """Findings with a readable title and full sentences, the most severe first."""
    order = list(SEVERITIES)
    rows = [
        FindingRow(
            severity=finding.severity,
            symbol=SEVERITIES[finding.severity][0],
            label=SEVERITIES[finding.severity][1],
            title=finding.check.replace("_", " "),
            says=sentence_of(finding.says),
            size=finding.size,
            example=finding.example,
            do=sentence_of(finding.do),
        )
        for finding in audit.findings
    ]
    return sorted(rows, key=lambda row: order.index(row.severity))
