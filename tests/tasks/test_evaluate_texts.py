"""Evaluation of generated texts: exact titles, reasons, and the file with the texts."""

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
        return [texts[shown.user_id] for shown in histories]

    monkeypatch.setattr(module, "generate_titles", write)
    prompts = prompt_builder(Prompt(task=task, style="alpaca"))
    recommender = SimpleNamespace(model=SimpleNamespace(tokenizer=tokenizer()), builder=prompts)
    settings = {"generate": generate, "resamples": 100}
    return evaluation_of(recommender, CASES, folder=folder, evaluation=settings, prompt={"task": task})


def test_shares_of_exact_repeated_and_unknown_titles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task_result = evaluate_texts(evaluation(tmp_path, TEXTS, "generate_title", monkeypatch), lambda text: text)
    values = {name: estimate.value for name, estimate in task_result.result.metrics.items()}
    assert values["title_exact_match"] == 2 / 4  # a, and b after its spaces are normalised
    assert values["title_echo_share"] == 1 / 4  # c bought the Mint shampoo
    assert values["title_invalid_share"] == 1 / 4  # no product is a ladder
    assert "reason_match" not in values
    rows = json.loads((tmp_path / GENERATED).read_text(encoding="utf-8"))
    assert sorted(row["output"] for row in rows) == sorted(TEXTS.values())


def test_the_recipe_sets_the_number_of_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation_of_three = evaluation(tmp_path, TEXTS, "generate_title", monkeypatch, generate=3)
    assert evaluate_texts(evaluation_of_three, lambda text: text).result.metrics["title_exact_match"].n == 3
    assert len(json.loads((tmp_path / GENERATED).read_text(encoding="utf-8"))) == 3


def test_a_reason_counts_where_it_is_the_true_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = prompt_builder(Prompt(task="generate_reason", style="alpaca"), CATALOGUE)
    texts = {
        "a": prompts.reason(history("R0"), "R1"),  # right item, true reason
        "b": prompts.reason(history("C0"), "C2"),  # another item, with the true reason for that one
        "c": "Mint soap, because you have bought Rose soap: both say soap.",  # right item, invented reason
        "d": "Rose ladder, which is something new for you.",  # no item at all
    }
    reason_evaluation = evaluation(tmp_path, texts, "generate_reason", monkeypatch)
    task_result = evaluate_texts(reason_evaluation, recommended, lambda case, item: prompts.reason(case.history, item))
    assert task_result.result.metrics["title_exact_match"].value == 2 / 4
    assert task_result.result.metrics["reason_match"].value == 2 / 4
    result_of_task = get_task("generate_reason").evaluate_texts(reason_evaluation)  # type: ignore[attr-defined]
    assert result_of_task.result.metrics["reason_match"].value == 2 / 4


def test_a_task_that_writes_nothing_has_no_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pointwise_evaluation = evaluation(tmp_path, TEXTS, "pointwise", monkeypatch)
    assert get_task("pointwise").evaluate_texts(pointwise_evaluation).result.metrics == {}  # type: ignore[attr-defined]
    assert not (tmp_path / GENERATED).exists()
