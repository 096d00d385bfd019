"""The benchmark of growth runs and prints its measurements."""

import json
import subprocess
import sys
from pathlib import Path


def test_two_sizes() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "growth.py"
    arguments = ["--users", "60", "--items", "30", "--times", "1", "2", "--json"]
    completed = subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr[-2000:]
    rows = json.loads(completed.stdout)["rows"]
    assert [row["users"] for row in rows] == [60, 120]
    assert all(seconds > 0 for row in rows for seconds in row["seconds"].values())
