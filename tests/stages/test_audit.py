"""Auditing what lies on a disk: a dataset, a run, somebody's exam."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from shoptalk.cli.main import main
from shoptalk.data.prepare import prepare
from shoptalk.recipe import read_recipe


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main(["audit", *map(str, arguments), "--json"])
    return int(caught.value.code or 0), json.loads(capsys.readouterr().out)


def by_name(report: dict) -> dict:
    return {finding["check"]: finding for finding in report["findings"]}


@pytest.fixture(scope="module")
def dataset(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit") / "dataset"
    prepare(read_recipe(shop / "recipe.toml"), folder)
    return folder


def test_a_dataset(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = call(capsys, dataset)
    found = by_name(report)
    assert (code, report["clean"]) == (0, True)
    assert found["format_leak"]["severity"] == "info"
    assert {"check", "severity", "value", "low", "high", "n", "says", "example", "do"} == found["ties"].keys()
    table = pq.read_table(dataset / "interactions.parquet").to_pandas()
    tied = 0
    for _, own in table.groupby("user_id"):
        times = own.sort_values("position")["timestamp"].tolist()
        tied += len(times) > 1 and times[-1] == times[-2]
    assert found["ties"]["value"] == pytest.approx(tied / found["ties"]["n"])


def test_an_uneven_dataset_is_a_formatting_leak(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(read_recipe(shop / "recipe.toml", ["data.cleaning=asymmetric"]), tmp_path / "asymmetric")
    code, report = call(capsys, tmp_path / "asymmetric")
    found = by_name(report)
    assert (code, report["clean"]) == (3, False)
    assert found["options_only"]["value"] > 0.9
    assert "formatting leak" in found["options_only"]["says"]
    assert report["findings"][0]["severity"] == "fail"  # the worst comes first


def test_a_run(items_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = call(capsys, "--run", items_run)
    assert (code, report["error"]["message"]) == (2, "the run is not evaluated")
    with pytest.raises(SystemExit):
        main(["evaluate", str(items_run), "--set", 'evaluation.baselines=["popularity"]', "--json"])
    code, report = call(capsys, "--run", items_run)
    found = by_name(report)
    assert json.loads((items_run / "audit.json").read_text()) == report
    metrics = json.loads((items_run / "metrics.json").read_text())["metrics"]
    assert found["personalisation"]["value"] == pytest.approx(metrics["personalisation_gap"]["value"])
    assert f"{metrics['recall@10']['value']:.4f}" in found["personalisation"]["says"]
    assert found["test_in_graph"]["severity"] == "info"
    assert "the model" in found["sampled_metric"]["says"]
    assert found["truncation"]["value"] >= 0


def test_a_damaged_run(items_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (items_run / "predictions.parquet").write_bytes(b"PAR1 no")
    code, report = call(capsys, "--run", items_run)
    assert (code, report["error"]["kind"]) == (2, "run")


def test_somebodys_exam(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(1)
    words = ["".join(generator.choice(list("abcdefghijklmnop"), 5)) for _ in range(60)]

    def title() -> str:
        return " ".join(generator.choice(words, 3)) + f" {generator.integers(9)} oz"

    rows = []
    for number in range(400):
        options, answer = [title() for _ in range(4)], int(generator.integers(4))
        options[answer] = options[answer].replace(" oz", "").rstrip("0123456789 ")
        rows.append({"user": f"u{number}", "history": [title()], "options": options, "answer": answer})
    (tmp_path / "exam.jsonl").write_text("\n".join(map(json.dumps, rows)))
    code, report = call(capsys, "--candidates", tmp_path / "exam.jsonl")
    assert code == 3
    assert by_name(report)["format_leak"]["severity"] == "fail"
    assert by_name(report)["options_only"]["value"] > 0.95


def test_somebodys_instructions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"instruction": f"He had a very nice soap {n}.", "output": f"A very nice soap {n}"} for n in range(100)]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    code, report = call(capsys, "--alpaca", tmp_path / "rows.json")
    assert code == 3
    assert by_name(report)["answer_in_prompt"]["value"] == 1.0
    asked = [{"instruction": "Which? A) Soap B) Comb C) Razor", "output": "ABC"[n % 3]} for n in range(90)]
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    code, report = call(capsys, "--alpaca", tmp_path / "asked.json")
    assert "answer_in_prompt" not in by_name(report)
    assert by_name(report)["answer_position"]["n"] == 90


def test_lists_of_somebody_who_cut_windows_before_splitting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for user in range(60):
        bought = [f"<|item_{user}_{index}|>" for index in range(12)]
        for index in range(12):
            listed = " ".join(bought[index + 1 : index + 11]) or "<|endoftext|>"
            rows.append({"instruction": f"List what follows {bought[index]}", "output": listed, "user": f"u{user}",
                         "split": "train" if index < 8 else "test"})  # fmt: skip
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    code, report = call(capsys, "--alpaca", tmp_path / "rows.jsonl")
    found = by_name(report)
    assert (code, found["overlapping_windows"]["value"]) == (3, 1.0)  # item 11 follows place 7, which is learned
    assert found["rows_without_truth"]["value"] == pytest.approx(1 / 4)  # place 11 of the places 8 to 11
    assert "answer_in_prompt" in found


@pytest.mark.parametrize(
    "arguments",
    [(), ("--candidates", "a", "--alpaca", "b"), ("x", "--candidates", "a"), ("no-such-folder",), ("--run", "none")],
)
def test_what_cannot_be_audited(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code, report = call(capsys, *arguments)
    assert code == 2
    assert report["error"]["message"]


def test_people_read_the_worst_first(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["audit", str(dataset)])
    stated = capsys.readouterr().out
    assert stated.index("later_training") < stated.index("format_leak")
    assert "clean (0 fail" in stated
