"""Load with faults, each once. `SHOPTALK_SOAK_MINUTES=5` makes it five minutes, half of them with each database."""

import os
from pathlib import Path

import pytest

from tests.benchmarks.conftest import Load
from tests.online import postgres

MINUTES = float(os.environ.get("SHOPTALK_SOAK_MINUTES") or "0")


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_nothing_is_lost_whatever_breaks(load: Load, service_shop: Path, tmp_path: Path, database: str) -> None:
    if database == "postgresql" and (reason := postgres.why_not()) is not None:
        pytest.skip(reason)
    soak = load("soak")
    every = max(1.0, min(60.0, MINUTES * 30 / 8))
    names = list(soak.FAULTS) if MINUTES or database == "sqlite" else ["database gone", "worker killed"]
    test = soak.Soak(
        service_shop / "run",
        tmp_path,
        database,
        seconds=max(10.0, MINUTES * 30),
        fault_every=every,
        fault_seconds=every / 2,
        faults=names,
        customers=4,
    )
    report = test.execute()
    assert report["mistakes"] == [], soak.markdown(report)
    assert [fault["name"] for fault in report["faults"]][: len(names)] == names
    events = report["events"]
    assert events["acknowledged"] == events["stored"] == events["sent"] > 20
    assert report["results"]["recommend"]["200"] > 20


def test_mistakes_are_found(load: Load) -> None:
    soak = load("soak")
    fault = {"name": "disk full", "at": 1.0, "outcome": "", "recovery": None, "failed": True, "results": {}}
    report = {
        "events": {"lost": 1, "changed": 0, "stored_but_not_acknowledged": 0},
        "results": {"recommend": {"200": 5, "500 bug": 2, "connection lost": 1}, "GET /healthz": {"503 database": 1}},
        "faults": [fault],
        "lost_after_kill": 0,
        "memory": {"first": 100.0, "last": 140.0},
        "exit_code": 1,
    }
    ledger = soak.Ledger(wrong=["an answer without products"])
    found = soak.mistakes(report, ledger)
    for part in ("without products", "1 events lost", "2 times 500", "GET /healthz", "1 connections", "disk full"):
        assert any(part in text for text in found), part
    assert found[-2:] == ["memory grew from 100 to 140 MB", "the exit code after SIGTERM is 1"]
