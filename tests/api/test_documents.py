"""The Python of the README, of the guide and of the examples works as it is written there."""

import re
import runpy
import sys
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

import shoptalk
from tests.api.conftest import SMALL

ROOT = Path(__file__).parents[2]


def blocks(page: str) -> list[str]:
    """The Python of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)```", text, re.DOTALL | re.MULTILINE)


def test_the_lines_of_the_readme(
    purchases: pd.DataFrame, items: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("README.md")
    monkeypatch.setattr(shoptalk, "fit", partial(shoptalk.fit, progress=False, **SMALL))
    names: dict[str, Any] = {"purchases": purchases.rename(columns={"customer": "user_id"}), "products": items}
    exec(block.replace("4711", "u3"), names)
    assert names["report"].metrics["recall@10"].n == 40


def test_the_blocks_of_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks("docs/guide/python.md"):
        exec(block, names)
    assert set(names["report"].baselines) >= {"transitions", "mine"}
    assert names["data"].recipe.split.ties == "random"


@pytest.mark.slow
def test_the_quickstart_needs_nothing_but_a_file_of_purchases(
    purchases: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    purchases.rename(columns={"customer": "user_id"}).to_csv(tmp_path / "purchases.csv", index=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["quickstart.py", "purchases.csv"])
    runpy.run_path(str(ROOT / "examples" / "quickstart.py"), run_name="__main__")
    printed = capfd.readouterr()
    assert "Recall@10" in printed.out
    assert {path.name for path in tmp_path.iterdir()} == {"purchases.csv", "report.html", "my-model"}
    assert "Warning" not in printed.err


@pytest.mark.slow
def test_the_notebook_runs_and_shows_what_it_gives(tmp_path: Path) -> None:
    notebook = nbformat.read(ROOT / "examples" / "quickstart.ipynb", as_version=4)
    shown = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert all(shown[2:]), "the notebook must be saved with its outputs"
    users = [cell for cell in notebook.cells if "range(300)" in cell.source]
    assert len(users) == 1
    users[0].source = users[0].source.replace("range(300)", "range(80)")  # fewer, to take less time
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert {output.output_type for output in outputs} == {"execute_result"}  # no warning, no print
    assert any("text/html" in output.data and "95 % interval" in output.data["text/html"] for output in outputs)
