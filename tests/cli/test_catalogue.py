"""The command line of `shoptalk catalogue add`."""

import json
from pathlib import Path

import pytest

from shoptalk.cli.main import main


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["catalogue", *map(str, arguments)])
    return int(caught.value.code or 0)


def test_what_was_added_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    report = {"added": 2, "known": 1, "items": 12_000}
    arguments: list[Path] = []

    def add_items(run: Path, file: Path) -> dict[str, int]:
        arguments.extend([run, file])
        return report

    monkeypatch.setattr("shoptalk.stages.catalogue.add_items", add_items)
    assert call("add", "RUN", "new.csv") == 0
    assert capsys.readouterr().out == "added 2 products; 1 were already in the catalogue, which now has 12,000\n"
    assert call("add", "RUN", "new.csv", "--json") == 0
    assert json.loads(capsys.readouterr().out) == report
    assert arguments == [Path("RUN"), Path("new.csv")] * 2


def test_no_run_is_one_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("add", tmp_path / "nothing", tmp_path / "new.csv", "--json") == 2
    assert "not a run" in json.loads(capsys.readouterr().out)["error"]["message"]
