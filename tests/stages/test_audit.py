"""Auditing a dataset, a run and external files of questions and instructions."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from shoptalk.cli.main import main
from shoptalk.data.benchmarks.row import BenchmarkRow
from shoptalk.data.prepare import prepare
from shoptalk.recipe import read_recipe
from tests.evaluation.audit.benchmarks import choices


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


def write_rows(path: Path, rows: list[BenchmarkRow]) -> Path:
    """The rows as instructions in a JSON array."""
    path.write_text(json.dumps([{"input": row.prompt, "output": row.answer, "user": row.user} for row in rows]))
    return path


def test_files_of_training_and_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = choices(users=240)
    train, test = (write_rows(tmp_path / f"{number}.json", rows[number::2]) for number in (0, 1))
    code, report = call(capsys, "--train", train, "--test", test)
    assert (code, report["clean"], report["conclusive"]) == (0, True, True)
    assert [(file["format"], file["rows"], file["part"]) for file in report["files"]] == [
        ("instruction rows", 120, "train"),
        ("instruction rows", 120, "test"),
    ]
    assert report["contents"] == {"options": 240}
    findings = by_name(report)
    assert {"options_only", "rows_in_two_parts", "options_redrawn", "target_in_history"} <= findings.keys()
    assert [missing["check"] for missing in report["not_checked"]] == ["truncation"]
    code, report = call(capsys, "--train", train, test, "--test", train)
    assert code == 3
    assert by_name(report)["rows_in_two_parts"]["value"] == 0.5  # the test is both files
    with pytest.raises(SystemExit):
        main(["audit", "--train", str(train), "--test", str(test)])
    printed = capsys.readouterr().out
    assert f"{test}: 120 rows, instruction rows, test\nanswers: one of several options: 240\n" in printed
    assert "- not checked: truncation" in printed
    assert printed.endswith("1 not checked)\n")


def test_too_little_to_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_rows(tmp_path / "rows.json", choices(users=20))
    code, report = call(capsys, path)
    assert (code, report["clean"], report["conclusive"]) == (4, False, False)
    assert "what the options give away" in [missing["check"] for missing in report["not_checked"]]
    with pytest.raises(SystemExit):
        main(["audit", "--alpaca", str(path)])
    assert "NO CONCLUSION: too little could be checked" in capsys.readouterr().out


def test_lengths_in_tokens(tmp_path: Path, items_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_rows(tmp_path / "rows.json", choices(users=60))
    code, report = call(capsys, path, "--tokenizer", items_run / "model", "--max-tokens", 10)
    assert (code, by_name(report)["truncation"]["value"]) == (3, 1.0)
    code, report = call(capsys, path, "--tokenizer", items_run / "model", "--max-tokens", 100_000)
    assert by_name(report)["truncation"]["value"] == 0
    code, report = call(capsys, path, "--max-tokens", 10)
    assert (code, report["error"]["message"]) == (2, "a tokenizer and a length belong together")


def test_atomic_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(1)
    header = "user_id:token\titem_id:token\ttimestamp:float\n"
    bought = [(user, item) for user in range(80) for item in generator.choice(60, 6, replace=False).tolist()]
    lines = [f"{user}\t{item}\t{generator.integers(10**9)}\n" for user, item in bought]
    (tmp_path / "shop.inter").write_text(header + "".join(lines))
    (tmp_path / "shop.item").write_text("item_id:token\ttitle:token_seq\n" + "".join(f"{n}\tSoap\n" for n in range(60)))
    code, report = call(capsys, tmp_path / "shop.inter")
    findings = by_name(report)
    assert (code, report["files"][0]["rows"], findings["ties"]["n"]) == (0, 480, 80)
    assert findings["shared_titles"]["value"] == 1
    (tmp_path / "a.train.inter").write_text(header + "".join(lines))
    (tmp_path / "a.test.inter").write_text(header + "".join(lines[:100]))
    code, report = call(capsys, "--train", tmp_path / "a.train.inter", "--test", tmp_path / "a.test.inter")
    assert (code, by_name(report)["rows_in_two_parts"]["value"]) == (3, 1.0)
    (tmp_path / "bad.inter").write_text(header + "u\ti\t5\nu\ti\tsoon\n")
    code, report = call(capsys, tmp_path / "bad.inter")
    assert (code, report["error"]["message"]) == (2, "the timestamp 'soon' is not a number")
    assert report["error"]["where"] == f"{tmp_path / 'bad.inter'}:3"
    code, report = call(capsys, tmp_path / "shop.inter", "--test", write_rows(tmp_path / "rows.json", choices(users=9)))
    assert (code, report["error"]["message"]) == (2, "atomic files cannot be audited together with other files")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--candidates", "a", "--alpaca", "b"),
        ("x", "--candidates", "a"),
        ("no-such-folder",),
        ("--run", "none"),
        ("--train", "none"),
    ],
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
