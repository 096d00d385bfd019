"""The audit of data without flaws reports none.

30 generated datasets, because each takes half a second; ``SHOPTALK_CLEAN_DATASETS=100`` makes a hundred.
"""

import os
from collections import Counter

import numpy as np
import pytest

from shoptalk.evaluation.audit import audit
from shoptalk.evaluation.audit.evidence import Evidence, Log, MultipleChoiceSet

from .datasets import clean

DATASETS = int(os.environ.get("SHOPTALK_CLEAN_DATASETS", "30"))


@pytest.mark.slow
def test_false_alarms_are_rare(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the datasets without flaws at most one in twenty has a finding other than info."""
    alarms: Counter[str] = Counter()
    flagged = 0
    for seed in range(DATASETS):
        checks = {finding.check for finding in audit(clean(seed)) if finding.severity != "info"}
        alarms.update(checks)
        flagged += bool(checks)
    with capsys.disabled():
        print(
            f"\nfalse alarms over {DATASETS} clean datasets: {flagged / DATASETS:.2f} of them; by check: {dict(alarms)}"
        )
    assert flagged <= 0.05 * DATASETS


def test_every_check_yields_findings(capsys: pytest.CaptureFixture[str]) -> None:
    findings = audit(clean(1))
    assert len(findings) >= 25
    assert all(
        finding.severity == "info" and not finding.do for finding in findings if finding.check != "sampled_metric"
    )


def test_empty_input_has_no_findings() -> None:
    no_rows = np.zeros(0, dtype=np.int64)
    empty = Log(no_rows, no_rows, no_rows, no_rows, [], [], [])
    questions = MultipleChoiceSet(
        [], np.zeros((0, 4), np.int64), no_rows, no_rows, no_rows.astype(bool), np.zeros((0, 2), np.int64)
    )
    assert audit(Evidence()) == []
    assert [finding.check for finding in audit(Evidence(empty, questions))] == []
