"""A shop without a flaw is not accused of one."""

from collections import Counter

import numpy as np
import pytest

from shoptalk.evaluation.audit import audit
from shoptalk.evaluation.audit.evidence import Evidence, Log, MultipleChoiceSet

from .shops import clean

SHOPS = 100


@pytest.mark.slow
def test_false_alarms_are_rare(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a hundred clean shops at most five are accused of anything at all."""
    alarms: Counter[str] = Counter()
    accused = 0
    for seed in range(SHOPS):
        bad = {finding.check for finding in audit(clean(seed)) if finding.severity != "info"}
        alarms.update(bad)
        accused += bool(bad)
    with capsys.disabled():
        print(f"\nfalse alarms over {SHOPS} clean shops: {accused / SHOPS:.2f} of the shops; by check: {dict(alarms)}")
    assert accused <= 0.05 * SHOPS


def test_every_check_looked(capsys: pytest.CaptureFixture[str]) -> None:
    found = audit(clean(1))
    assert len(found) >= 25
    assert all(finding.severity == "info" and not finding.do for finding in found if finding.check != "sampled_metric")


def test_nothing_at_hand_is_nothing_found() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    empty = Log(nothing, nothing, nothing, nothing, [], [], [])
    questions = MultipleChoiceSet(
        [], np.zeros((0, 4), np.int64), nothing, nothing, nothing.astype(bool), np.zeros((0, 2), np.int64)
    )
    assert audit(Evidence()) == []
    assert [finding.check for finding in audit(Evidence(empty, questions))] == []
