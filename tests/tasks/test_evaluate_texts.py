"""Judging texts that a model writes: exact titles, reasons, and what is written down."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shoptalk.prompts.advice import recommended
from shoptalk.recipe import Prompt
from shoptalk.schema import EvalExample, History
from shoptalk.tasks import evaluate_texts as module
from shoptalk.tasks import get_task
from shoptalk.tasks.evaluate_texts import GENERATED, evaluate_texts
from tests.tasks.evaluations import evaluation_of
from tests.words import CATALOGUE, history, prompt_builder, tokenizer

CASES = [
    EvalExample(history("R0", user="a"), ("R1",)),
    EvalExample(history("C0", user="b"), ("C1",)),
    EvalExample(history("M0", user="c"), ("M1",)),
    EvalExample(history("R2", user="d"), ("R3",)),
]
TEXTS = {"a": "Rose soap", "b": " Cedar  soap ", "c": "Mint shampoo", "d": "Rose ladder"}


def evaluation(
    folder: Path, texts: dict[str, str], task: str, monkeypatch: pytest.MonkeyPatch, generate: int = 4
) -> Any:
    """An evaluation of a model that writes what ``texts`` holds for each user."""

    def write(_model: object, _prompts: object, histories: Sequence[History], notify: Any) -> list[str]:
        notify(len(histories), len(histories))
        return [texts[one.user_id] for one in histories]

    monkeypatch.setattr(module, "generate_titles", write)
    prompts = prompt_builder(Prompt(task=task, style="alpaca"))
    recommender = SimpleNamespace(model=SimpleNamespace(tokenizer=tokenizer()), builder=prompts)
    settings = {"generate": generate, "resamples": 100}
    return evaluation_of(recommender, CASES, folder=folder, evaluation=settings, prompt={"task": task})


def test_exact_echoed_and_invented_titles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = evaluate_texts(evaluation(tmp_path, TEXTS, "generate_title", monkeypatch), lambda text: text)
    values = {name: estimate.value for name, estimate in judged.result.metrics.items()}
    assert values["title_exact_match"] == 2 / 4  # a, and b with its spaces tidied
    assert values["title_echo_share"] == 1 / 4  # c bought the Mint shampoo
    assert values["title_invalid_share"] == 1 / 4  # no product is a ladder
    assert "reason_match" not in values
    rows = json.loads((tmp_path / GENERATED).read_text(encoding="utf-8"))
    assert sorted(row["output"] for row in rows) == sorted(TEXTS.values())


def test_as_many_are_judged_as_the_recipe_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = evaluation(tmp_path, TEXTS, "generate_title", monkeypatch, generate=3)
    assert evaluate_texts(few, lambda text: text).result.metrics["title_exact_match"].n == 3
    assert len(json.loads((tmp_path / GENERATED).read_text(encoding="utf-8"))) == 3


def test_a_reason_counts_where_it_is_the_true_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = prompt_builder(Prompt(task="generate_reason", style="alpaca"), CATALOGUE)
    texts = {
        "a": prompts.reason(history("R0"), "R1"),  # right item, true reason
        "b": prompts.reason(history("C0"), "C2"),  # another item, with the true reason for that one
        "c": "Mint soap, because you have bought Rose soap: both say soap.",  # right item, invented reason
        "d": "Rose ladder, which is something new for you.",  # no item at all
    }
    asked = evaluation(tmp_path, texts, "generate_reason", monkeypatch)
    judged = evaluate_texts(asked, recommended, lambda case, item: prompts.reason(case.history, item))
    assert judged.result.metrics["title_exact_match"].value == 2 / 4
    assert judged.result.metrics["reason_match"].value == 2 / 4
    by_task = get_task("generate_reason").evaluate_texts(asked)  # type: ignore[attr-defined]
    assert by_task.result.metrics["reason_match"].value == 2 / 4


def test_a_task_that_writes_nothing_has_no_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = evaluation(tmp_path, TEXTS, "pointwise", monkeypatch)
    assert get_task("pointwise").evaluate_texts(asked).result.metrics == {}  # type: ignore[attr-defined]
    assert not (tmp_path / GENERATED).exists()
