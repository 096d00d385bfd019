"""What the audit found, the worst first."""

from typing import Any

#: How a severity looks: a symbol and a word, so that no colour is needed.
SEVERITIES = {"fail": ("✗", "fail"), "warn": ("!", "warning"), "info": ("✓", "looked at")}


def finding_rows(audit: dict[str, Any]) -> list[dict[str, Any]]:
    """Findings as the page shows them: with ``symbol``, ``word`` and a readable ``title``, fails before warnings."""
    order = list(SEVERITIES)
    rows = [_row(finding) for finding in audit.get("findings", [])]
    return sorted(rows, key=lambda row: order.index(row["severity"]))


def failures(audit: dict[str, Any] | None) -> list[str]:
    """What would change a conclusion, in the audit's words."""
    return [_sentence(one["says"]) for one in (audit or {}).get("findings", []) if one.get("severity") == "fail"]


def _row(finding: dict[str, Any]) -> dict[str, Any]:
    severity = finding.get("severity")
    severity = severity if severity in SEVERITIES else "info"
    symbol, word = SEVERITIES[severity]
    blank = {"value": None, "low": None, "high": None, "n": None, "says": "", "example": "", "do": ""}
    title = str(finding["check"]).replace("_", " ")
    told = {"title": title, "says": _sentence(finding["says"]), "do": _sentence(finding.get("do") or "")}
    return blank | finding | told | {"severity": severity, "symbol": symbol, "word": word}


def _sentence(words: str) -> str:
    """With a capital and a full stop; nothing stays nothing."""
    words = words.strip()
    return words[:1].upper() + words[1:] + ("" if not words or words[-1] in ".!?" else ".")
