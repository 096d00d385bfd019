"""``shoptalk prepare`` and ``shoptalk sample`` as a user types them."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from shoptalk.cli import prepare, sample
from shoptalk.errors import UsageError


def app() -> typer.Typer:
    application = typer.Typer()
    application.command("prepare")(prepare.command)
    application.command("sample")(sample.command)
    return application


def test_sample_then_prepare_prints_json_alone(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app(), ["sample", str(tmp_path), "--users", "60", "--items", "50", "--json"])
    assert outcome.exit_code == 0, outcome.output
    assert json.loads(outcome.stdout)["users"] == 60
    out = tmp_path / "dataset"
    outcome = CliRunner().invoke(
        app(), ["prepare", str(tmp_path / "recipe.toml"), "--out", str(out), "--json", "--seed", "9"]
    )
    assert outcome.exit_code == 0, outcome.output
    report = json.loads(outcome.stdout)
    assert {"read", "dropped", "kept", "fingerprint", "seconds", "peak_memory_bytes"} <= report.keys()
    assert list(report["dropped"])[:4] == ["unverified", "duplicate", "rating", "no_title"]
    assert json.loads((out / "dataset.json").read_text())["recipe"]["seed"] == 9
    assert "reading" in outcome.stderr


def test_people_read_a_table(tmp_path: Path) -> None:
    CliRunner().invoke(app(), ["sample", str(tmp_path), "--users", "60", "--items", "50"])
    outcome = CliRunner().invoke(app(), ["prepare", str(tmp_path / "recipe.toml"), "--out", str(tmp_path / "dataset")])
    assert outcome.exit_code == 0, outcome.output
    for word in ("unverified", "duplicate", "kept", "interactions", "fingerprint"):
        assert word in outcome.stdout


def test_a_place_with_other_things_is_refused(tmp_path: Path) -> None:
    CliRunner().invoke(app(), ["sample", str(tmp_path), "--users", "60", "--items", "50"])
    outcome = CliRunner().invoke(app(), ["prepare", str(tmp_path / "recipe.toml"), "--out", str(tmp_path)])
    assert isinstance(outcome.exception, UsageError)
    assert (tmp_path / "planted.json").exists()


@pytest.mark.parametrize("name", ["prepare", "sample"])
def test_help_has_an_example(name: str) -> None:
    outcome = CliRunner().invoke(app(), [name, "--help"])
    assert outcome.exit_code == 0
    assert "Example" in outcome.output
