"""A teacher model asked over HTTP, at a server in a process of its own."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shoptalk.cli.main import main
from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.errors import PromptError, RecipeError, ShoptalkError, TeacherError
from shoptalk.progress import silent
from shoptalk.prompts.teacher import read_answers
from shoptalk.recipe import Recipe, parse_recipe
from shoptalk.results import TeachResult
from shoptalk.stages.export import export
from shoptalk.stages.teach import teach
from shoptalk.stages.teacher_cache import Answer, AnswerCache
from shoptalk.stages.train import train
from shoptalk.tasks import check_recipe

ITEMS, USERS = 12, 16
WORDS = ("rose", "cedar", "mint", "lime")


class Server:
    """The server's address and what it has seen."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def log(self, model: str) -> list[dict[str, Any]]:
        with urllib.request.urlopen(self.url + "/log", timeout=10) as response:
            return [entry for entry in json.load(response) if entry["model"] == model]

    def release(self) -> None:
        urllib.request.urlopen(urllib.request.Request(self.url + "/release", data=b""), timeout=10).close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    port = tmp_path_factory.mktemp("server") / "port"
    process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("teacher_server.py")), str(port)])
    try:
        while not port.exists():
            assert process.poll() is None
            time.sleep(0.02)
        yield Server(int(port.read_text()))
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The content of a recipe, whose dataset is prepared."""
    folder = tmp_path_factory.mktemp("shop")
    items = ["item_id,title", *(f"i{number},{WORDS[number % 4]} soap {number}" for number in range(ITEMS))]
    bought = [(user, (user + step) % ITEMS, 1_600_000_000 + 100 * step) for user in range(USERS) for step in range(4)]
    rows = ["user_id,item_id,timestamp", *(f"u{user},i{item},{time}" for user, item, time in bought)]
    (folder / "items.csv").write_text("\n".join(items), encoding="utf-8")
    (folder / "rows.csv").write_text("\n".join(rows), encoding="utf-8")
    content = {
        "data": {"source": "table", "interactions": str(folder / "rows.csv"), "items": str(folder / "items.csv")},
        "split": {"method": "by-user", "fractions": [0.5, 0.25, 0.25]},
        "prompt": {"task": "generate_reason", "persona": True, "max_tokens": 1024},
        "model": {"base": "nano", "width": 32, "layers": 1, "vocabulary": 300},
        "training": {"targets": "last", "epochs": 1, "patience": 0},
        "evaluation": {"generate": 4},
    }
    prepare(parse_recipe(content), folder / "dataset")
    return {**content, "folder": folder}


def asked(content: dict[str, Any], server: Server, out: Path, model: str, **teacher: object) -> TeachResult:
    """Ask a model of the server for the answers of the eight training rows."""
    return teach(recipe(content, server, model, **teacher), dataset(content), out, None, silent)


def recipe(content: dict[str, Any], server: Server, model: str, **teacher: object) -> Recipe:
    sections = {name: section for name, section in content.items() if name != "folder"}
    settings = {"url": server.url + "/v1", "model": model, "key_variable": "", "retries": 0, "options": 4,
                "concurrency": 2, "input_price": 1.0, "output_price": 10.0, **teacher}  # fmt: skip
    return parse_recipe({**sections, "teacher": settings})


def dataset(content: dict[str, Any]) -> Dataset:
    return open_dataset(content["folder"] / "dataset")


def test_answers_are_written_and_learned(content: dict[str, Any], server: Server, tmp_path: Path) -> None:
    result = asked(content, server, tmp_path / "answers.jsonl", "good")
    assert (result.rows, result.asked, result.accepted, result.left) == (8, 8, 8, 0)
    assert (result.input_tokens, result.output_tokens) == (8 * 100, 8 * 20)
    assert result.cost == pytest.approx((800 * 1 + 160 * 10) / 1e6)
    assert len(server.log("good")) == 8
    again = asked(content, server, tmp_path / "answers.jsonl", "good")
    assert (again.cached, again.asked, again.accepted, again.cost) == (8, 0, 8, result.cost)
    assert len(server.log("good")) == 8  # nothing is sent twice

    answers = read_answers(tmp_path / "answers.jsonl")
    taught = recipe(content, server, "good")
    taught = taught.model_copy(
        update={"training": taught.training.model_copy(update={"answers": str(tmp_path / "answers.jsonl")})}
    )
    trained = train(taught, dataset(content), tmp_path / "run", silent)
    assert trained.run.info["training"]["examples"] == 8
    export(tmp_path / "run", "train", "alpaca", tmp_path / "rows.json")
    outputs = [row["output"] for row in json.loads((tmp_path / "rows.json").read_text())]
    titles = {item.item_id: item.title for item in dataset(content).catalogue.values()}
    assert sorted(outputs) == sorted(f"{titles[row.item]}, because {row.reason}" for row in answers.values())
    assert all("you have bought" in text and text.endswith("this goes with it.") for text in outputs)


def test_after_kill_9_nothing_is_paid_twice(content: dict[str, Any], server: Server, tmp_path: Path) -> None:
    model, out = "hold-3", tmp_path / "answers.jsonl"
    (tmp_path / "recipe.toml").write_text(recipe(content, server, model).to_toml(), encoding="utf-8")
    command = [
        "teach",
        str(content["folder"] / "dataset"),
        "--recipe",
        str(tmp_path / "recipe.toml"),
        "--out",
        str(out),
    ]
    process = subprocess.Popen([sys.executable, "-m", "shoptalk.cli.main", *command], stderr=subprocess.DEVNULL)
    while len(server.log(model)) < 3 + 2:  # both workers wait for an answer, so three answers are kept
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not out.exists()
    assert sum(entry["answered"] for entry in server.log(model)) == 3
    server.release()
    result = asked(content, server, out, model)
    assert (result.cached, result.asked, result.accepted) == (3, 5, 8)
    paid = Counter(entry["key"] for entry in server.log(model) if entry["answered"])
    assert len(paid) == 8
    assert set(paid.values()) == {1}


@pytest.mark.parametrize(
    ("model", "refusal"),
    [("html", "markup"), ("echo", "echo"), ("chatty", "form"), ("unknown", "not_in_catalogue"),
     ("vague", "no_reference"), ("long", "too_long"), ("cut", "cut_off")],
)  # fmt: skip
def test_refused_answers_are_counted(
    content: dict[str, Any], server: Server, tmp_path: Path, model: str, refusal: str
) -> None:
    result = asked(content, server, tmp_path / "answers.jsonl", model)
    assert result.refused == {refusal: 8}
    assert (result.accepted, result.agreement) == (0, None)
    assert (tmp_path / "answers.jsonl").read_text() == ""


@pytest.mark.parametrize(
    ("model", "kind", "teacher"),
    [("not-json", "not_json", {}), ("no-choices", "no_answer", {}), ("huge", "huge", {}),
     ("slow", "timeout", {"timeout": 0.2, "concurrency": 8})],
)  # fmt: skip
def test_failures_are_counted_and_not_kept(
    content: dict[str, Any], server: Server, tmp_path: Path, model: str, kind: str, teacher: dict[str, Any]
) -> None:
    result = asked(content, server, tmp_path / "answers.jsonl", model, **teacher)
    assert result.failed == {kind: 8}
    assert (result.asked, result.left) == (0, 8)
    assert asked(content, server, tmp_path / "answers.jsonl", model, **teacher).cached == 0


def test_busy_servers_are_asked_again(content: dict[str, Any], server: Server, tmp_path: Path) -> None:
    result = asked(content, server, tmp_path / "answers.jsonl", "busy", retries=2, concurrency=1, budget_tokens=1_400)
    assert result.asked >= 1
    assert result.failed == {}
    assert len(server.log("busy")) == 2 * result.asked  # each was refused once


def test_many_failures_in_a_row_end_the_command(
    content: dict[str, Any], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shoptalk.stages.teach.MOST_FAILURES", 3)
    with pytest.raises(TeacherError, match="3 requests in a row failed, the last one: the response is not JSON"):
        asked(content, server, tmp_path / "answers.jsonl", "not-json", concurrency=1)
    assert not (tmp_path / "answers.jsonl").exists()


def test_the_budget_is_never_exceeded(content: dict[str, Any], server: Server, tmp_path: Path) -> None:
    result = asked(content, server, tmp_path / "answers.jsonl", "few", budget_tokens=1_600, concurrency=1)
    assert result.stopped == "budget_tokens"
    assert 1 <= result.asked < 8
    assert len(server.log("few")) == result.asked == 8 - result.left
    assert result.input_tokens + result.output_tokens <= 1_600
    cheap = asked(content, server, tmp_path / "cheap.jsonl", "cheap", budget_cost=0.004, concurrency=1)
    assert cheap.stopped == "budget_cost"
    assert 0 < cheap.cost <= 0.004


def test_a_dry_run_sends_and_writes_nothing(
    content: dict[str, Any], server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipe.toml").write_text(recipe(content, server, "dry", key_variable="NO_KEY").to_toml())
    command = ["teach", str(content["folder"] / "dataset"), "--recipe", str(tmp_path / "recipe.toml")]
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--out", str(tmp_path / "answers.jsonl"), "--dry-run", "--json"])
    assert stopped.value.code == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["rows"], printed["left"], printed["output_tokens"]) == (8, 8, 8 * 200)
    assert printed["cost"] == pytest.approx((printed["input_tokens"] * 1 + 8 * 200 * 10) / 1e6)
    assert printed["file"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.toml"]
    assert server.log("dry") == []


def test_the_key_comes_from_the_environment_and_is_never_shown(
    content: dict[str, Any], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TeacherError, match="SHOP_KEY with the key of the API is not set"):
        asked(content, server, tmp_path / "answers.jsonl", "secret", key_variable="SHOP_KEY")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("SHOP_KEY", "sk-very-secret")
    with pytest.raises(TeacherError) as refused:
        asked(content, server, tmp_path / "answers.jsonl", "secret", key_variable="SHOP_KEY")
    assert "HTTP status 401: wrong key [key] [2J next line" in str(refused.value)
    assert server.log("secret")[0]["authorization"] == "Bearer sk-very-secret"
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"very-secret" not in written + str(refused.value).encode()


def test_only_one_process_uses_a_cache_and_other_files_are_refused(tmp_path: Path) -> None:
    with AnswerCache(tmp_path / "cache") as cache:
        cache.put("a", Answer("text", True, 1, 2))
        with pytest.raises(TeacherError, match="another process uses the cache"):
            AnswerCache(tmp_path / "cache")
    with AnswerCache(tmp_path / "cache") as cache:
        assert (cache.get("a"), cache.get("b"), cache.spent()) == (Answer("text", True, 1, 2), None, (1, 2))
    (tmp_path / "other").write_text("not a database" * 100)
    with pytest.raises(TeacherError, match="not a cache of answers"):
        AnswerCache(tmp_path / "other")
    assert (tmp_path / "other").read_text() == "not a database" * 100


@pytest.mark.parametrize(
    "line", ["[]", '{"user": 1}', '{"user": "u", "history": true, "item": "i1", "reason": "x"}',
             '{"user": "u", "history": 1, "item": "i1", "reason": ""}', ""],
)  # fmt: skip
def test_damaged_files_of_answers_are_clear_errors(tmp_path: Path, line: str) -> None:
    (tmp_path / "answers.jsonl").write_text(line)
    with pytest.raises(PromptError, match="answers.jsonl"):
        read_answers(tmp_path / "answers.jsonl")


def test_recipes_that_cannot_teach_are_refused(content: dict[str, Any], server: Server, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no address such as"):
        recipe(content, server, "good", url="https://name:key@host/v1")
    with pytest.raises(RecipeError, match="budget_cost needs input_price"):
        recipe(content, server, "good", budget_cost=1.0, input_price=0.0, output_price=0.0)
    alone = recipe(content, server, "good").model_copy(update={"teacher": None})
    with pytest.raises(RecipeError, match="no section"):
        teach(alone, dataset(content), tmp_path / "answers.jsonl", None, silent)
    titles = {**content, "prompt": {"task": "generate_title"}, "training": {"answers": "answers.jsonl"}}
    with pytest.raises(ShoptalkError, match="cannot use training.answers"):
        check_recipe(recipe(titles, server, "good"))
    assert list(tmp_path.iterdir()) == []
