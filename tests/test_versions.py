"""Versions of a run: the list changes in one step, whoever is killed; damaged lists are refused."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shoptalk.errors import RunError
from shoptalk.versions import (
    current_folder,
    locked,
    new_version,
    remove_others,
    roll_back,
    take_up,
    taken_versions,
)


def make(run: Path, name: str) -> None:
    """A complete version."""
    (run / "versions" / name).mkdir(parents=True)
    (run / "versions" / name / "run.json").write_text("{}")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run.json").write_text("{}")
    return tmp_path


def test_the_last_versions_are_kept_and_rolled_back(run: Path) -> None:
    assert (taken_versions(run), current_folder(run), new_version(run)) == (("original",), run, "0001")
    for name, kept in (("0001", ("original", "0001")), ("0002", ("0001", "0002")), ("0003", ("0002", "0003"))):
        make(run, name)
        assert take_up(run, name, keep=2) == kept
    assert sorted(path.name for path in (run / "versions").iterdir()) == ["0002", "0003"]
    assert current_folder(run) == run / "versions" / "0003"
    assert roll_back(run) == ("0002", "0003")
    assert (run / "versions" / "0003").is_dir()  # for a look at what was wrong
    with pytest.raises(RunError, match="no version before"):
        roll_back(run)
    assert new_version(run) == "0004"
    make(run, "0005")  # left by a crash
    remove_others(run)
    assert [path.name for path in (run / "versions").iterdir()] == ["0002"]
    assert (run / "run.json").exists()


DAMAGED = ["", "[]", "{}", '{"versions": []}', '{"versions": ["../../etc"]}', '{"versions": ["0007"]}']


@pytest.mark.parametrize("content", [*DAMAGED, '{"versions": 3}'])
def test_a_damaged_list_is_refused(content: str, run: Path) -> None:
    (run / "current.json").write_text(content)
    with pytest.raises(RunError):
        current_folder(run)


def test_one_refresh_at_a_time(run: Path) -> None:
    with locked(run), pytest.raises(RunError, match="going on"), locked(run):
        pass
    with locked(run):
        pass


SWAPPING = """
import sys
from pathlib import Path
from shoptalk.versions import roll_back, take_up
run = Path(sys.argv[1])
print("ready", flush=True)
while True:
    take_up(run, "0002", keep=5)
    roll_back(run)
"""


def test_a_killed_process_leaves_a_whole_list(run: Path) -> None:
    """Twenty processes that change the list without end are killed at random moments."""
    for name in ("0001", "0002"):
        make(run, name)
    take_up(run, "0001", keep=5)
    make(run, "0002") if not (run / "versions" / "0002").exists() else None
    seen = set()
    for _ in range(20):
        (run / "versions" / "0002").mkdir(exist_ok=True)
        (run / "versions" / "0002" / "run.json").write_text("{}")
        process = subprocess.Popen([sys.executable, "-c", SWAPPING, str(run)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random.random() * 0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert taken_versions(run) in {("original", "0001"), ("original", "0001", "0002")}
        assert (current_folder(run) / "run.json").exists()
        seen.add(json.loads((run / "current.json").read_text())["versions"][-1])
    assert seen == {"0001", "0002"}
