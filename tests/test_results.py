"""The results on disk: their page is that of the classes, and what is written is what is read."""

import json
import math
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from shoptalk import results
from shoptalk.errors import RunError
from shoptalk.results import (
    NOT_MEASURED,
    AuditResult,
    EvaluationResult,
    Finding,
    RunResult,
    Verdict,
    as_json,
    from_json,
    read_audit,
    read_evaluation,
    schema_page,
    write_result,
)
from shoptalk.schema import Estimate
from shoptalk.typed_json import attributes
from tests.report.runs import audit, audited, full_run, option_metrics, result

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "files.md"


def test_the_page_is_that_of_the_classes() -> None:
    made = "write it again: python -m shoptalk.results > docs/reference/files.md"
    assert PAGE.read_text(encoding="utf-8") == schema_page(), made


@pytest.mark.parametrize("cls", [one for one in vars(results).values() if isinstance(one, type) and is_dataclass(one)])
def test_every_field_says_what_it_means(cls: type) -> None:
    assert attributes(cls).keys() == {one.name for one in fields(cls)}


def test_a_written_file_is_what_the_classes_say(tmp_path: Path) -> None:
    run = full_run(tmp_path / "run")
    evaluation = read_evaluation(run)
    assert evaluation is not None
    assert [analysis.what for analysis in evaluation.analyses] == ["options", "ranking"]
    write_result(run / "metrics.json", evaluation)
    written = json.loads((run / "metrics.json").read_text())
    assert written == as_json(evaluation) == as_json(read_evaluation(run))
    assert as_json(read_audit(run)) == audit()


def test_run_prints_what_evaluating_and_auditing_found() -> None:
    whole = RunResult(
        result(option_metrics()), audited(audit()), Verdict("stop", "accuracy", "tfidf", True, ("a leak",))
    )
    content = as_json(whole)
    assert {"metrics", "baselines", "seconds", "fingerprint", "findings", "clean", "verdict"} <= content.keys()
    assert content["metrics"]["accuracy"] == {"value": 0.6, "low": 0.59, "high": 0.61, "n": 1000}
    assert content["verdict"]["kind"] == "stop"
    assert as_json(from_json(RunResult, json.loads(json.dumps(content)))) == content


def test_a_finding_without_a_measure_has_nulls() -> None:
    assert as_json(Finding("time", "info", "fine")) == {
        "check": "time", "severity": "info", "says": "fine", "value": None, "low": None, "high": None, "n": 0,
        "example": "", "do": "",
    }  # fmt: skip


def test_a_figure_knows_what_it_lacks() -> None:
    assert (Estimate(1.0, 0.5, 1.5, 9).known, Estimate(1.0, 0.5, 1.5, 9).has_interval) == (True, True)
    assert (Estimate(1.0, math.nan, math.nan, 1).known, Estimate(1.0, math.nan, 1.0, 1).has_interval) == (True, False)
    assert not NOT_MEASURED.known


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not readable as JSON"),
        ("[1]", "not a JSON object"),
        ("[" * 100_000, "not readable as JSON"),
        ("{}", "metrics: is missing"),
        ('{"metrics": {"accuracy": {"value": 1}}, "baselines": {}}', "metrics.accuracy.low: is missing"),
        ('{"metrics": {}, "baselines": {}, "warnings": [3]}', "warnings[0]: expected a text, not 3"),
    ],
    ids=["cut off", "a list", "nested", "empty", "half a figure", "a warning that is a number"],
)
def test_damaged_results_are_one_line_with_the_place(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(RunError) as caught:
        read_evaluation(tmp_path)
    assert f"damaged: {says}" in str(caught.value)
    assert caught.value.where == str(tmp_path / "metrics.json")
    assert "\n" not in str(caught.value)


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    assert read_evaluation(tmp_path) is read_audit(tmp_path) is None
    write_result(tmp_path / "audit.json", AuditResult((), clean=True))
    assert read_audit(tmp_path) == AuditResult((), clean=True)
    assert EvaluationResult({}, {}).difference("als", "recall@10") is None
