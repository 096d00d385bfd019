"""The benchmark of growth runs, and says what it measured."""

import json
import subprocess
import sys
from pathlib import Path


def test_two_sizes() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "growth.py"
    arguments = ["--users", "60", "--items", "30", "--times", "1", "2", "--json"]
    done = subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads(done.stdout)["rows"]
    assert [row["users"] for row in rows] == [60, 120]
    assert all(seconds > 0 for row in rows for seconds in row["seconds"].values())
