"""The benchmark of growth runs and prints its measurements."""

import json
import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "growth.py"


def test_two_sizes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--users", "20", "--items", "20", "--times", "1", "2", "--json"]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["users"] for row in rows] == [20, 40]
    assert all(seconds > 0 for row in rows for seconds in row["seconds"].values())
