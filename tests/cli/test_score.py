import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from shoptalk.cli.score import command
from shoptalk.errors import PredictionsError

app = typer.Typer()
app.command()(command)
KEYS = ["recall@{}", "ndcg@{}", "hr@{}", "mrr@{}", "precision@{}", "map@{}"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "predictions.jsonl"
    rows = [
        {"user": "u1", "truth": ["a", "b"], "ranked": ["a", "a", "b"]},  # hits at 1 and 3
        {"user": "u2", "truth": ["c"], "ranked": ["x", "y", "z", "c"]},  # too late for k = 3
        {"user": "u3", "truth": [], "ranked": ["a"]},  # not counted
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def score(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_json_by_hand(file: Path) -> None:
    scores = json.loads(score(str(file), "--k", "3", "--json"))
    assert (scores["users"], scores["without_truth"]) == (2, 1)
    assert scores["precision@3"] == pytest.approx((2 / 3 + 0) / 2)
    assert scores["recall@3"] == pytest.approx((2 / 2 + 0) / 2)
    assert scores["mrr@3"] == pytest.approx((1 / 1 + 0) / 2)
    assert scores["hr@3"] == 1 / 2
    assert scores["ndcg@3"] == pytest.approx(
        ((1 + 1 / 2) / (1 + 1 / 1.5849625) + 0) / 2
    )  # log2(4) = 2, log2(3) = 1.585
    assert scores["map@3"] == pytest.approx(((1 / 1 + 2 / 3) / 2 + 0) / 2)


def test_precision_by_distinct(file: Path) -> None:
    scores = json.loads(score(str(file), "--k", "3", "--precision", "distinct", "--json"))
    assert scores["precision@3"] == pytest.approx((2 / 2 + 0) / 2)  # a, a, b are two items
    assert scores["recall@3"] == pytest.approx(1 / 2)


def test_names_carry_k_which_is_10_by_default(file: Path) -> None:
    scores = json.loads(score(str(file), "--json"))
    assert [name for name in scores if "@" in name] == [key.format(10) for key in KEYS]
    assert scores["mrr@10"] == pytest.approx((1 + 1 / 4) / 2)


def test_table_for_people(file: Path) -> None:
    text = score(str(file), "--k", "3")
    assert "precision@3" in text
    assert "0.3333" in text
    assert "2 users, 1 without relevant items excluded" in text


def test_no_user_has_relevant_items(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"user": "u", "truth": [], "ranked": ["a"]}', encoding="utf-8")
    scores = json.loads(score(str(path), "--json"))
    assert (scores["users"], scores["without_truth"], scores["recall@10"]) == (0, 1, None)


@pytest.mark.parametrize("arguments", [["--k", "0"], ["--k", "many"], ["--precision", "else"]])
def test_options_that_do_not_fit(file: Path, arguments: list[str]) -> None:
    assert CliRunner().invoke(app, [str(file), *arguments]).exit_code == 2


def test_bad_file_is_our_error(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(PredictionsError, match="not valid JSON"):
        score(str(path), "--json")
