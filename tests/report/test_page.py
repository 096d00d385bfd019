"""The report of a run: sections with and without data, and escaping."""

import json
import re
import shutil
from pathlib import Path

import pytest

from shoptalk.errors import RunError
from shoptalk.report.page import write_report
from tests.report.runs import HOSTILE, full_run, option_metrics, ranking_metrics, write_run

SECTIONS = ("results", "personal", "audit", "segments", "positions", "calibration", "errors", "training", "samples",
            "data", "cost", "reproduce", "metrics")  # fmt: skip


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with data for every section, and its report; tests must not change it."""
    run = full_run(tmp_path_factory.mktemp("full") / "run")
    write_report(run)
    return run


def text_of(run: Path) -> str:
    """The text of a report that is written already."""
    return (run / "report.html").read_text(encoding="utf-8")


def page(folder: Path) -> str:
    """The text of the report of a run."""
    write_report(folder)
    return text_of(folder)


def sections(text: str) -> list[str]:
    """The ids of the sections of a page."""
    return re.findall(r'<section id="(\w+)"', text)


def test_everything_is_shown_in_order(full: Path) -> None:
    text = text_of(full)
    section_ids = sections(text)
    assert [name for name in section_ids if name != "choices"] == list(SECTIONS)
    assert re.findall(r'<li><a href="#(\w+)"', text) == list(SECTIONS)
    assert "Results are not reliable: the audit failed" in text


def test_the_method_that_ranks_is_named(full: Path) -> None:
    text = text_of(full)
    assert "<strong>the second stage (linear weights)</strong> ranks" in text
    assert "on the 1,050 held-out validation cases" in text
    assert "0.040 with the calibration fitted on validation cases, 0.060 without" in text
    table = text[text.index('id="ranking-table"') :]
    labels = re.findall(r'class="text">([^<]+)</th><td>', table[: table.index("</table>")])
    assert labels == ["the second stage (linear weights)", "the trained model", "transitions (fixed settings)"]


def test_what_is_missing_is_left_out(tmp_path: Path) -> None:
    bare = {"metrics": {"accuracy": option_metrics()["metrics"]["accuracy"]}, "baselines": {}}
    run = write_run(tmp_path / "run", bare)
    (run / "predictions.parquet").unlink()
    (run / "dataset" / "interactions.parquet").unlink()
    (run / "dataset" / "dataset.json").unlink()
    info = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({key: info[key] for key in ("dataset", "fingerprint")}))
    assert sections(page(run)) == ["results", "cost", "reproduce", "metrics"]
    ranked = write_run(tmp_path / "ranked", ranking_metrics(), audit={"findings": [], "clean": True})
    text = page(ranked)
    missing = {"positions", "calibration", "errors", "samples"}
    assert sections(text) == [name for name in SECTIONS if name not in missing]
    assert "No problem was found" in text


def test_titles_are_only_ever_text(full: Path) -> None:
    text = text_of(full)
    assert "<script" not in text
    assert "onerror=alert" in text  # shown, as text
    assert "<img src=x" not in text
    assert "49 {%" not in text
    assert text.count("<pre>") == text.count("</pre>")
    for word in HOSTILE[2:3] + HOSTILE[5:]:
        assert word in text
    assert re.search(r'(?:src|href|srcset)="(?!data:image/|#)', text) is None  # nothing is loaded from anywhere


def test_the_same_run_makes_the_same_page(full: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(full, tmp_path / "run"))
    (copy / "report.html").unlink()
    assert page(copy) == text_of(full)


def test_no_path_of_the_machine_is_shown(full: Path) -> None:
    text = text_of(full)
    assert "shop/buys.csv" in text
    assert "/somewhere" not in text


def test_what_is_no_evaluated_run_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", option_metrics())
    (run / "metrics.json").write_text('{"metrics": {"accuracy": 3}, "baselines": {}}')
    with pytest.raises(RunError, match=r"metrics.json: damaged: metrics.accuracy: expected an object, not 3"):
        write_report(run)
    (run / "metrics.json").write_text("{")
    with pytest.raises(RunError, match="not readable as JSON"):
        write_report(run)
    (run / "metrics.json").unlink()
    with pytest.raises(RunError, match="not evaluated yet"):
        write_report(run)
    with pytest.raises(RunError, match="not a run"):
        write_report(tmp_path)
