"""Versions of a run that a refresh made are followed, and refreshes are started at intervals."""

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from shoptalk.errors import RunError, UsageError
from shoptalk.results import RefreshResult
from shoptalk.runs import open_run
from shoptalk.serve.refreshing import parse_duration, refreshing
from shoptalk.serve.settings import ArmSettings, Settings
from shoptalk.versions import FOLDER, POINTER, roll_back, take_up
from tests.serve.conftest import Start, ids, recommend, service
from tests.serve.test_upkeep import other_run


def test_the_current_version_is_served(own_run: Path, start: Start, tmp_path: Path) -> None:
    client = start(own_run)
    item = service(client).state.arms[0].items[0]
    before = ids(recommend(client, history=[item], k=20))
    new = other_run(own_run, tmp_path / "new")
    (own_run / FOLDER).mkdir()
    open_run(new).note(version="0001")
    shutil.move(new, own_run / FOLDER / "0001")
    client.post("/v1/admin/reload")
    assert ids(recommend(client, history=[item], k=20)) == before  # complete, but not taken up
    take_up(own_run, "0001", keep=3)
    assert client.post("/v1/admin/reload").json()["refused"] == {}
    answer = recommend(client, history=[item], k=20)
    assert ids(answer) != before
    assert answer["run"] == "own/0001"
    roll_back(own_run)
    client.post("/v1/admin/reload")
    assert ids(recommend(client, history=[item], k=20)) == before
    (own_run / POINTER).write_text("{")  # damaged: what is served stays
    client.post("/v1/admin/reload")
    assert ids(recommend(client, history=[item], k=20)) == before


def test_runs_of_the_same_name_do_not_remove_each_others_weights(own_run: Path, tmp_path: Path) -> None:
    from shoptalk.serve.arms import load_arm

    other = shutil.copytree(own_run, tmp_path / "elsewhere" / own_run.name)
    arms = [load_arm(ArmSettings(str(folder)), tmp_path / "cache") for folder in (own_run, other)]
    assert all(arm.trained.run.folder.is_dir() for arm in arms)


def test_refreshes_go_on_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Path, str]] = []
    enough = threading.Event()

    def refresh(run: Path, database: str, **_: Any) -> RefreshResult:
        asked.append((run, database))
        if len(asked) == 4:
            enough.set()
        if len(asked) == 1:
            raise RunError("not now")
        return RefreshResult("nothing new", "nothing is new", str(run), "original", "original", ("original",))

    monkeypatch.setattr("shoptalk.stages.refresh.refresh_in_process", refresh)
    arms = (ArmSettings("a"), ArmSettings("a", "popularity"), ArmSettings("b"))
    with refreshing(Settings(arms, database="x.db", refresh_seconds=0.01)):
        assert enough.wait(30)
    assert asked[:4] == [(Path(run), "x.db") for run in "abab"]


@pytest.mark.parametrize(("text", "seconds"), [("24h", 86_400), ("30m", 1800), ("90s", 90), ("1.5d", 129_600)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "24", "h", "0s", "-1h", "1h30m", "1e3s", "9999d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="no duration"):
        parse_duration(text)
