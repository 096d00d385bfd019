"""Does the history matter? The same cases with another user's history."""

from collections.abc import Iterator

import numpy as np

from shoptalk.evaluation.audit.evidence import Evidence
from shoptalk.evaluation.audit.finding import Finding
from shoptalk.evaluation.bootstrap import estimate

#: The least share of what a run has beyond chance that must be lost with another's history.
PERSONAL = 0.5


def check(evidence: Evidence) -> Iterator[Finding]:
    """The personalisation gap, and whether it carries the result."""
    outcome = evidence.outcome
    if outcome is None or outcome.swapped is None:
        return
    own, swapped = float(outcome.own.mean()), float(outcome.swapped.mean())
    gap = estimate(outcome.own - outcome.swapped, seed=evidence.seed)
    above = own - outcome.chance
    statement = (
        f"{outcome.metric} {own:.4f} with the user's own history, {swapped:.4f} with another user's: "
        f"a gap of {gap.value:.4f}"
    )
    if not np.isnan(gap.high) and above > 0 and gap.high < PERSONAL * above:
        yield Finding(
            "personalisation",
            "fail",
            f"{statement}; most of what the run gets beyond chance ({outcome.chance:.3f}) does not come from "
            "the history",
            gap,
            do="report the gap beside the figure; look for what gives the answers away",
        )
    else:
        yield Finding("personalisation", "info", statement, gap)
