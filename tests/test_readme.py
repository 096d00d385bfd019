"""What the README promises works as it is written there."""

import csv
import json
import re
import shlex
from pathlib import Path

import pytest

from shoptalk.cli.main import COMMANDS, main
from shoptalk.data.dataset import open_dataset
from tests.words import CATALOGUE, eval_data

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TUTORIAL = (ROOT / "docs" / "guide" / "start.md").read_text(encoding="utf-8")


def test_every_command_is_listed() -> None:
    assert set(re.findall(r"^\| `shoptalk (\w+)", README, re.MULTILINE)) == set(COMMANDS)


def test_the_first_five_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    block = re.search(r"^```bash\n(shoptalk sample .*?)```", README, re.DOTALL | re.MULTILINE)
    assert block
    lines = [shlex.split(line, comments=True) for line in block[1].splitlines()]
    assert [line[1] for line in lines] == ["sample", "prepare", "audit", "run", "recommend"]
    monkeypatch.chdir(tmp_path)
    for line in lines[:3]:  # training takes minutes
        with pytest.raises(SystemExit) as caught:
            main([*line[1:], "--json"])
        assert not caught.value.code, capsys.readouterr().out
    history = lines[4][lines[4].index("--history") + 1]
    assert history in open_dataset(tmp_path / "dataset").catalogue


def _write_tables() -> None:
    """Two tables in the current folder: products with their names, and the purchases of 60 customers from 4700 on."""
    with Path("products.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["sku", "name"], *([item, row.title] for item, row in CATALOGUE.items())])
    with Path("purchases.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["customer", "sku", "bought_at"])
        for number, case in enumerate(eval_data(60)):
            for day, item in enumerate([*case.history.items, *case.targets], 1):
                writer.writerow([4700 + number, item, f"2024-03-{day:02d}"])


def test_your_own_table_in_five_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    block = re.search(r"<<'TOML'\n(.*?)\nTOML\n", README, re.DOTALL)
    assert block
    Path("mine.toml").write_text(block[1], encoding="utf-8")
    _write_tables()
    small = ["--set", "model.width=32", "--set", "model.layers=1", "--set", "training.epochs=1"]
    for arguments in (
        ["run", "mine.toml", "--out", "my-run", *small],
        ["recommend", "my-run", "--user", "4711", "-k", "5", "--explain"],
        ["recommend", "my-run", "--history", "Rose soap", "--history", "Mint shampoo"],
    ):
        with pytest.raises(SystemExit) as caught:
            main([*arguments, "--json"])
        stated = json.loads(capsys.readouterr().out)
        assert not caught.value.code, stated
    assert Path("my-run/report.html").exists()


def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    block = re.search(r"^```toml\n# (purchases\.toml)\n(.*?)^```", TUTORIAL, re.DOTALL | re.MULTILINE)
    assert block
    Path(block[1]).write_text(block[2], encoding="utf-8")
    _write_tables()
    shell = re.search(r"^```bash\n(shoptalk prepare .*?)```", TUTORIAL, re.DOTALL | re.MULTILINE)
    assert shell
    lines = [shlex.split(line, comments=True)[1:] for line in shell[1].splitlines()]
    assert [line[0] for line in lines] == ["prepare", "audit", "run", "recommend", "recommend"]
    small = ["--set", "model.width=32", "--set", "model.layers=1", "--set", "training.epochs=1"]
    for line in lines:
        with pytest.raises(SystemExit) as caught:
            main([*line, *(small if line[0] == "run" else []), "--json"])
        stated = json.loads(capsys.readouterr().out)
        assert not caught.value.code, stated
    assert Path("run/report.html").exists()
