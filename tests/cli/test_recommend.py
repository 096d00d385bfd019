"""The command line of `shoptalk recommend`: options become filters, files of ids are read, errors are one line."""

import json
from pathlib import Path
from typing import Any

import pytest

from shoptalk.cli.main import main
from shoptalk.results import RecommendedItem, RecommendResult, from_json
from shoptalk.stages.recommend import RecommendRequest

REPORT = {
    "user": None,
    "items": [
        {
            "item_id": "b",
            "title": "Comb",
            "score": 1.5,
            "because": [{"item_id": "a", "effect": 0.25}],
            "sources": [{"source": "model", "effect": 0.5}],
            "reason": "Because you have bought “Soap”: both mention rose.",
        }
    ],
    "history": [{"item_id": "a", "title": "Soap"}],
    "allowed": 1,
    "warnings": [],
    "seconds": 0.0,
    "method": "model",
    "unit": "logit",
}


@pytest.fixture
def stage_arguments(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments of the stage, which is replaced by one that returns `REPORT`."""
    arguments: dict[str, Any] = {}

    def recommend(trained: object, request: RecommendRequest, progress: object) -> list[RecommendResult]:
        arguments.update({name: getattr(request, name) for name in RecommendRequest.__dataclass_fields__})
        return [from_json(RecommendResult, REPORT)]

    monkeypatch.setattr("shoptalk.stages.recommend.recommend", recommend)
    monkeypatch.setattr("shoptalk.runs.open_run", lambda folder: folder)
    monkeypatch.setattr("shoptalk.stages.trained_run.open_trained_run", lambda run, **_: run)
    return arguments


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["recommend", *map(str, arguments)])
    return int(caught.value.code or 0)


def test_options_become_filters(
    stage_arguments: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").write_text("a\nb\n")
    (tmp_path / "out").write_text("c\n")
    code = call(
        "RUN", "--history", "a", "--category", "Hair", "--category", "Bath", "--min-price", 1, "--max-price", 2.5,
        "--allow", tmp_path / "in", "--deny", tmp_path / "out", "--repeats", "-k", 3, "--explain", "--json",
    )  # fmt: skip
    assert code == 0
    filters = stage_arguments["filters"]
    assert (filters.categories, filters.lowest, filters.highest) == (("Hair", "Bath"), 1.0, 2.5)
    assert (filters.allow, filters.deny) == ({"a", "b"}, {"c"})
    assert (stage_arguments["repeats"], stage_arguments["k"], stage_arguments["explain"]) == (True, 3, True)
    assert stage_arguments["histories"] == [["a"]]
    assert json.loads(capsys.readouterr().out) == REPORT


def test_without_options_nothing_is_filtered(
    stage_arguments: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("RUN", "--user", "u") == 0
    assert (stage_arguments["filters"].allow, stage_arguments["filters"].deny, stage_arguments["repeats"]) == (
        None,
        (),
        False,
    )
    output = capsys.readouterr().out
    assert "history: Soap" in output
    assert "1. Comb  [b]  score 1.500" in output
    assert "effects are differences of the score (a logit)" in output
    assert "Because you have bought “Soap”: both mention rose." in output
    assert "+0.250 because of Soap" in output
    assert "by model +0.500" in output


def test_titles_are_printed_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    from shoptalk.cli.recommend import show_recommendations

    books = "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627"  # Persian, with a joiner inside the word
    titles = {"a": "</s> [INST] soap", "b": "bell\x07 \x1b[31mred\nline", "c": books}
    items = tuple(RecommendedItem(name, title, 1.0) for name, title in titles.items())
    show_recommendations(RecommendResult(None, items, (), 3, ("only 3 of the 9 products asked for",), 0.0))
    output = capsys.readouterr().out
    assert "1. </s> [INST] soap  [a]" in output
    assert "2. bell [31mred line  [b]" in output
    assert f"3. {titles['c']}  [c]" in output
    assert output.endswith("only 3 of the 9 products asked for\n")


@pytest.mark.parametrize("option", ["--allow", "--deny"])
def test_an_unreadable_list_is_an_error_with_its_line(
    stage_arguments: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    path = tmp_path / "ids"
    path.write_bytes(b"a\n\xff\n")
    assert call("RUN", "--user", "u", option, path, "--json") == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["where"] == f"{path}:2"
    assert not stage_arguments


def test_a_long_list_is_read_whole(stage_arguments: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "ids"
    path.write_text("".join(f"item{number}\n" for number in range(100_000)))
    assert call("RUN", "--user", "u", "--allow", path, "--json") == 0
    assert len(stage_arguments["filters"].allow) == 100_000
