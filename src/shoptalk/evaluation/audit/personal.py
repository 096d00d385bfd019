"""Whether the history matters: the same test cases with another user's history."""

from collections.abc import Iterator

import numpy as np

from shoptalk.evaluation.audit.evidence import Evidence
from shoptalk.evaluation.audit.finding import Finding
from shoptalk.evaluation.bootstrap import estimate

#: Share of the result above chance that must be lost with another user's history.
PERSONAL = 0.5


def check(evidence: Evidence) -> Iterator[Finding]:
    """The personalisation gap, and whether it is large enough."""
    outcome = evidence.outcome
    if outcome is None or outcome.swapped is None:
        return
    mean, swapped_mean = float(outcome.values.mean()), float(outcome.swapped.mean())
    gap = estimate(outcome.values - outcome.swapped, seed=evidence.seed)
    above_chance = mean - outcome.chance
    statement = (
        f"{outcome.metric} {mean:.4f} with the user's own history, {swapped_mean:.4f} with another user's history: "
        f"a gap of {gap.value:.4f}"
    )
    if not np.isnan(gap.high) and above_chance > 0 and gap.high < PERSONAL * above_chance:
        yield Finding(
            "personalisation",
            "fail",
            f"{statement}; less than half of the result above chance ({outcome.chance:.3f}) depends on the history",
            gap,
            do="report the gap beside the metric; look for shortcuts that need no history",
        )
    else:
        yield Finding("personalisation", "info", statement, gap)
