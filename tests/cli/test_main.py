"""What the command settles before any command runs."""

import os
import subprocess
import sys

import pytest

CHILD = """
import os, sys
from shoptalk.cli.main import main
assert "torch" not in sys.modules  # it reads the setting once, when it is loaded
try:
    main(["--version"])
finally:
    print(os.environ["OMP_WAIT_POLICY"])
"""


@pytest.mark.parametrize(("told", "policy"), [({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active")])
def test_threads_that_wait_sleep_unless_told_otherwise(told: dict[str, str], policy: str) -> None:
    own = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, env=own | told, check=True)
    assert done.stdout.split()[-1] == policy
