"""What the command settles before any command runs."""

import os
import subprocess
import sys

import pytest

from shoptalk.cli.main import SPINS

CHILD = """
import os, sys
from shoptalk.cli.main import main
assert "torch" not in sys.modules  # it reads the setting once, when it is loaded
try:
    main(["--version"])
finally:
    print(os.environ.get("GOMP_SPINCOUNT"))
"""


@pytest.mark.parametrize(
    ("told", "spins"), [({}, SPINS), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")]
)
def test_threads_that_wait_soon_sleep_unless_told_otherwise(told: dict[str, str], spins: str) -> None:
    own = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, env=own | told, check=True)
    assert done.stdout.split()[-1] == spins
