"""Auditing a dataset, a run and external files of questions and instructions."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from shoptalk.cli.main import main
from shoptalk.data.prepare import prepare
from shoptalk.recipe import read_recipe


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict]:
    """The exit code of ``shoptalk audit``, and the JSON object that it prints."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main(["audit", *map(str, arguments), "--json"])
    return int(caught.value.code or 0), json.loads(capsys.readouterr().out)


def by_name(report: dict) -> dict:
    """The findings by their check."""
    return {finding["check"]: finding for finding in report["findings"]}


@pytest.fixture(scope="module")
def dataset(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared dataset without planted leaks; tests must not change it."""
    folder = tmp_path_factory.mktemp("audit") / "dataset"
    prepare(read_recipe(shop / "recipe.toml"), folder)
    return folder


def test_a_dataset(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = call(capsys, dataset)
    findings = by_name(report)
    assert (code, report["clean"]) == (0, True)
    assert findings["format_leak"]["severity"] == "info"
    assert {"check", "severity", "value", "low", "high", "n", "says", "example", "do"} == findings["ties"].keys()
    table = pq.read_table(dataset / "interactions.parquet").to_pandas()
    tied = 0
    for _, purchases in table.groupby("user_id"):
        times = purchases.sort_values("position")["timestamp"].tolist()
        tied += len(times) > 1 and times[-1] == times[-2]
    assert findings["ties"]["value"] == pytest.approx(tied / findings["ties"]["n"])


def test_asymmetric_cleaning_is_a_formatting_leak(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(read_recipe(shop / "recipe.toml", ["data.cleaning=asymmetric"]), tmp_path / "asymmetric")
    code, report = call(capsys, tmp_path / "asymmetric")
    findings = by_name(report)
    assert (code, report["clean"]) == (3, False)
    assert findings["options_only"]["value"] > 0.9
    assert "formatting leak" in findings["options_only"]["says"]
    assert report["findings"][0]["severity"] == "fail"  # the most severe comes first


@pytest.mark.usefixtures("without_report")  # the audit of the run writes the report
def test_a_run(items_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = call(capsys, "--run", items_run)
    assert (code, report["error"]["message"]) == (2, "the run is not evaluated")
    with pytest.raises(SystemExit):
        main(["evaluate", str(items_run), "--set", 'evaluation.baselines=["popularity"]', "--json"])
    code, report = call(capsys, "--run", items_run)
    findings = by_name(report)
    assert json.loads((items_run / "audit.json").read_text()) == report
    metrics = json.loads((items_run / "metrics.json").read_text())["metrics"]
    assert findings["personalisation"]["value"] == pytest.approx(metrics["personalisation_gap"]["value"])
    assert f"{metrics['recall@10']['value']:.4f}" in findings["personalisation"]["says"]
    assert findings["test_in_graph"]["severity"] == "info"
    assert "the model" in findings["sampled_metric"]["says"]
    assert findings["truncation"]["value"] >= 0


def test_a_damaged_run(items_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (items_run / "predictions.parquet").write_bytes(b"PAR1 no")
    code, report = call(capsys, "--run", items_run)
    assert (code, report["error"]["kind"]) == (2, "run")


def test_external_questions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(1)
    vocabulary = ["".join(generator.choice(list("abcdefghijklmnop"), 5)) for _ in range(60)]

    def title() -> str:
        return " ".join(generator.choice(vocabulary, 3)) + f" {generator.integers(9)} oz"

    rows = []
    for number in range(400):
        options, answer = [title() for _ in range(4)], int(generator.integers(4))
        options[answer] = options[answer].replace(" oz", "").rstrip("0123456789 ")
        rows.append({"user": f"u{number}", "history": [title()], "options": options, "answer": answer})
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    code, report = call(capsys, "--candidates", tmp_path / "questions.jsonl")
    assert code == 3
    assert by_name(report)["format_leak"]["severity"] == "fail"
    assert by_name(report)["options_only"]["value"] > 0.95


def test_external_instructions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"instruction": f"He had a very nice soap {n}.", "output": f"A very nice soap {n}"} for n in range(100)]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    code, report = call(capsys, "--alpaca", tmp_path / "rows.json")
    assert code == 3
    assert by_name(report)["answer_in_prompt"]["value"] == 1.0
    questions = [{"instruction": "Which? A) Soap B) Comb C) Razor", "output": "ABC"[n % 3]} for n in range(90)]
    (tmp_path / "questions.json").write_text(json.dumps(questions))
    code, report = call(capsys, "--alpaca", tmp_path / "questions.json")
    assert "answer_in_prompt" not in by_name(report)
    assert by_name(report)["answer_position"]["n"] == 90


def test_external_lists_whose_windows_overlap_the_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for user in range(60):
        bought = [f"<|item_{user}_{index}|>" for index in range(12)]
        for index in range(12):
            listed = " ".join(bought[index + 1 : index + 11]) or "<|endoftext|>"
            rows.append(
                {
                    "instruction": f"List what follows {bought[index]}",
                    "output": listed,
                    "user": f"u{user}",
                    "split": "train" if index < 8 else "test",
                }
            )
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    code, report = call(capsys, "--alpaca", tmp_path / "rows.jsonl")
    findings = by_name(report)
    assert (code, findings["overlapping_windows"]["value"]) == (
        3,
        1.0,
    )  # item 11 is in the list of index 7, which is for training
    assert findings["rows_without_truth"]["value"] == pytest.approx(1 / 4)  # index 11 of the test's indices 8 to 11
    assert "answer_in_prompt" in findings


@pytest.mark.parametrize(
    "arguments",
    [(), ("--candidates", "a", "--alpaca", "b"), ("x", "--candidates", "a"), ("no-such-folder",), ("--run", "none")],
)
def test_invalid_arguments_are_errors(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code, report = call(capsys, *arguments)
    assert code == 2
    assert report["error"]["message"]


def test_printed_findings_begin_with_the_most_severe(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["audit", str(dataset)])
    printed = capsys.readouterr().out
    assert printed.index("later_training") < printed.index("format_leak")
    assert "clean (0 fail" in printed
