"""What the command settles before any command runs."""

import os
import subprocess
import sys

import pytest

from shoptalk.cli.main import SPIN_COUNT, main

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
    ("shown", "spins"), [({}, SPIN_COUNT), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")]
)
def test_threads_that_wait_soon_sleep_unless_told_otherwise(shown: dict[str, str], spins: str) -> None:
    own = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, env=own | shown, check=True)
    assert done.stdout.split()[-1] == spins


@pytest.mark.parametrize("system", ["win32", "cygwin", "emscripten"])
def test_a_system_that_is_not_supported_is_refused_by_name(
    system: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(SystemExit) as caught:
        main(["train", "recipe.toml"])
    assert caught.value.code == 2
    stated = capsys.readouterr().err
    assert stated.startswith(f"error: shoptalk runs on Linux and macOS, and this is {system} (")
    assert stated.count("\n") == 1
