"""The error analysis of a run whose users all buy the next item, with a model whose lists are known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from shoptalk.cli.show import show_evaluation
from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.progress import silent
from shoptalk.results import EvaluationResult, as_json, from_json, read_evaluation
from shoptalk.stages.judge import judge
from shoptalk.stages.trained_run import TrainedRun
from tests.data.small_dataset import write_small_dataset
from tests.stages.test_rankings import Following, recipe, run_of


def evaluate(folder: Path, step: int, **sections: Any) -> EvaluationResult:
    """User n of 20 has the history n .. n + 3 and the target n + 4; lists begin ``step`` after the last purchase."""
    write_small_dataset(folder, users=20, items=40)
    parsed = recipe(folder, **{"evaluation": {"resamples": 100, "baselines": ("popularity",)}, **sections})
    prepare(parsed, folder / "dataset")
    dataset = open_dataset(folder / "dataset")
    run = run_of(folder, dataset, parsed)
    return judge(TrainedRun(run, dataset, Following(dataset.catalogue, step)), silent).evaluation


def test_a_ranking_that_is_always_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Items n + 8 .. n + 17 come first, and n + 4 is the right one.
    report = evaluate(tmp_path, step=5)
    errors = report.errors
    assert errors is not None
    assert (errors.what, errors.cases, errors.wrong) == ("ranking", 20, 20)
    rows = pq.read_table(tmp_path / "run" / "errors.parquet").to_pylist()
    assert rows[0]["user_id"] == "u0"
    assert rows[0]["truth"] == ["i04"]
    assert rows[0]["ranked"] == [f"i{n:02}" for n in range(8, 18)]
    groups = {group.name: group for group in errors.groups}
    assert list(groups) == ["semantic_pull", "popularity_pull", "near_duplicate", "cold_item"]
    # Items 0 .. 23 were bought; in training, without the last two of each user, item n by users n - 2 .. n.
    cold = sum(row["truth"][0] in {"i22", "i23"} for row in rows)
    assert groups["cold_item"].wrong == cold == 2
    assert groups["cold_item"].value == groups["cold_item"].reference == pytest.approx(2 / 20)
    example = groups["cold_item"].examples[0]
    assert example.options[-1] in {"Soap & W number 22", "Soap & X number 23"}
    assert (example.answer, example.chosen) == (5, 0)
    assert example.why.startswith("the right product has no training purchases; the right product ")
    assert len(errors.what_if) > 0
    assert [step.removed for step in errors.what_if[0].steps] == [None, *errors.what_if[0].history[:3]]
    assert len({step.answer for step in errors.what_if[0].steps}) == 1  # this model uses only the last purchase
    show_evaluation(report)
    printed = " ".join(capsys.readouterr().out.split())
    assert "20 wrong answers of 20 (ranking)" in printed
    assert "cold item" in printed
    written = read_evaluation(tmp_path / "run")
    assert written is not None
    assert replace(written, seconds={}) == replace(from_json(EvaluationResult, as_json(report)), seconds={})


def test_no_wrong_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    report = evaluate(tmp_path, step=1, candidates={"options": 4})
    assert [analysis.wrong for analysis in report.analyses] == [0, 0]
    assert [(analysis.what_if, analysis.words) for analysis in report.analyses] == [((), ())] * 2
    assert pq.read_table(tmp_path / "run" / "option_errors.parquet").num_rows == 0
    show_evaluation(report)
    assert "wrong answers" not in capsys.readouterr().out


@pytest.mark.usefixtures("without_report")
def test_options_have_the_titles_that_were_shown(tmp_path: Path) -> None:
    report = evaluate(tmp_path, step=2, candidates={"options": 4}, data={"cleaning": "asymmetric"})
    errors = report.option_errors
    assert errors is not None
    assert errors.wrong > 10
    examples = errors.groups[0].examples + errors.groups[1].examples
    assert examples
    for example in examples:
        is_raw = ["&amp;" in title for title in example.options]
        assert is_raw == [index != example.answer for index in range(4)]  # distractors are not cleaned
