"""What the command does before it runs a subcommand."""

import os
import subprocess
import sys

import pytest

from shoptalk.cli.main import SPIN_COUNT, main

CHILD = """
import os, sys
from shoptalk.cli.main import main
assert "torch" not in sys.modules  # torch reads the setting when it is imported
try:
    main(["--version"])
finally:
    print(os.environ.get("GOMP_SPINCOUNT"))
"""


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, SPIN_COUNT), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")],
)
def test_waiting_threads_spin_for_a_short_time_by_default(settings: dict[str, str], expected: str) -> None:
    variables = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {name: value for name, value in os.environ.items() if name not in variables} | settings
    completed = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, env=environment, check=True
    )
    assert completed.stdout.split()[-1] == expected


def test_the_package_is_a_command() -> None:
    command = [sys.executable, "-m", "shoptalk", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0][0].isdigit()


@pytest.mark.parametrize("system", ["win32", "cygwin", "emscripten"])
def test_a_system_that_is_not_supported_is_refused_by_name(
    system: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(SystemExit) as caught:
        main(["train", "recipe.toml"])
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: shoptalk runs on Linux and macOS, and this is {system} (")
    assert message.count("\n") == 1
