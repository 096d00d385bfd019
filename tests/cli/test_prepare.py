"""``shoptalk prepare`` and ``shoptalk sample`` as a user types them."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from shoptalk.cli import prepare, sample
from shoptalk.errors import UsageError


def app() -> typer.Typer:
    made = typer.Typer()
    made.command("prepare")(prepare.command)
    made.command("sample")(sample.command)
    return made


def test_sample_then_prepare_prints_json_alone(tmp_path: Path) -> None:
    run = CliRunner().invoke(app(), ["sample", str(tmp_path), "--users", "60", "--items", "50", "--json"])
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout)["users"] == 60
    out = tmp_path / "dataset"
    run = CliRunner().invoke(
        app(), ["prepare", str(tmp_path / "recipe.toml"), "--out", str(out), "--json", "--seed", "9"]
    )
    assert run.exit_code == 0, run.output
    report = json.loads(run.stdout)
    assert {"read", "dropped", "kept", "fingerprint", "seconds", "peak_memory_bytes"} <= report.keys()
    assert list(report["dropped"])[:4] == ["unverified", "duplicate", "rating", "no_title"]
    assert json.loads((out / "dataset.json").read_text())["recipe"]["seed"] == 9
    assert "reading" in run.stderr


def test_people_read_a_table(tmp_path: Path) -> None:
    CliRunner().invoke(app(), ["sample", str(tmp_path), "--users", "60", "--items", "50"])
    run = CliRunner().invoke(app(), ["prepare", str(tmp_path / "recipe.toml"), "--out", str(tmp_path / "dataset")])
    assert run.exit_code == 0, run.output
    for words in ("unverified", "duplicate", "kept", "interactions", "fingerprint"):
        assert words in run.stdout


def test_a_place_with_other_things_is_refused(tmp_path: Path) -> None:
    CliRunner().invoke(app(), ["sample", str(tmp_path), "--users", "60", "--items", "50"])
    run = CliRunner().invoke(app(), ["prepare", str(tmp_path / "recipe.toml"), "--out", str(tmp_path)])
    assert isinstance(run.exception, UsageError)
    assert (tmp_path / "planted.json").exists()


@pytest.mark.parametrize("name", ["prepare", "sample"])
def test_help_has_an_example(name: str) -> None:
    run = CliRunner().invoke(app(), [name, "--help"])
    assert run.exit_code == 0
    assert "Example" in run.output
