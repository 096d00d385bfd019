"""What the audit found, the worst first."""

from dataclasses import dataclass

from shoptalk.report.verdict import sentence_of
from shoptalk.results import AuditResult, Severity
from shoptalk.schema import Estimate

#: How a severity looks: a symbol and a word, so that no colour is needed.
SEVERITIES: dict[Severity, tuple[str, str]] = {
    "fail": ("✗", "fail"),
    "warn": ("!", "warning"),
    "info": ("✓", "looked at"),
}


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A finding as the page shows it."""

    severity: Severity
    symbol: str
    word: str
    title: str
    says: str
    size: Estimate
    example: str
    do: str


def finding_rows(audit: AuditResult) -> list[FindingRow]:
    """Findings with a readable title and whole sentences, fails before warnings."""
    order = list(SEVERITIES)
    rows = [
        FindingRow(
            severity=one.severity,
            symbol=SEVERITIES[one.severity][0],
            word=SEVERITIES[one.severity][1],
            title=one.check.replace("_", " "),
            says=sentence_of(one.says),
            size=one.size,
            example=one.example,
            do=sentence_of(one.do),
        )
        for one in audit.findings
    ]
    return sorted(rows, key=lambda row: order.index(row.severity))
