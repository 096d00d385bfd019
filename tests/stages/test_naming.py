"""Runs that write lists, name titles and advise: trained, verified and asked."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.experiment import evaluate
from shoptalk.progress import silent
from shoptalk.recipe import Recipe, read_recipe
from shoptalk.recommend.titles import MOST_SCORED
from shoptalk.stages.audit import audit_anything
from shoptalk.stages.audit_files import BenchmarkFiles
from shoptalk.stages.train import train
from tests.stages.printed import recommend

SMALL = ["model.width=32", "model.layers=1", "model.precision=fp32",
         "model.vocabulary=400", "training.epochs=1", "training.pretrain_epochs=0",
         "training.choice_epochs=0", "training.targets=last", "prompt.max_tokens=1024"]  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    write_sample(folder, users=150, items=MOST_SCORED + 100)
    prepare(recipe(folder), folder / "dataset")
    return folder


def recipe(shop: Path, *more: str) -> Recipe:
    return read_recipe(shop / "recipe.toml", [*SMALL, *more])


@pytest.mark.parametrize("task", ["generate_ids", "generate_title"])
def test_what_is_recommended_is_real_and_new(shop: Path, tmp_path: Path, task: str) -> None:
    style = "alpaca" if task == "generate_ids" else "plain"
    settings = recipe(shop, f"prompt.task={task}", f"prompt.style={style}")
    train(settings, open_dataset(shop / "dataset"), tmp_path / "run", silent)
    items = {row["item_id"]: row["title"] for row in pq.read_table(shop / "dataset" / "items.parquet").to_pylist()}
    bought = list(items)[:2]
    found = recommend(tmp_path / "run", history=bought, k=5)["items"]
    names = [item["item_id"] for item in found]
    assert len(set(names)) == 5
    assert set(names) <= items.keys() - set(bought)
    scores = [item["score"] for item in found]
    assert scores == sorted(scores, reverse=True)
    few = recommend(tmp_path / "run", history=bought, options=list(items)[3:6], k=5)["items"]
    assert {item["item_id"] for item in few} == set(list(items)[3:6])
    many = recommend(tmp_path / "run", history=bought, k=40)
    assert len({item["item_id"] for item in many["items"]}) == 40
    assert many["warnings"] == []
    if task == "generate_ids":  # the effect on an item as the first of the list
        explained = recommend(tmp_path / "run", history=bought, k=2, explain=True)["items"]
        assert {reason["item_id"] for reason in explained[0]["because"]} == set(bought)


@pytest.mark.usefixtures("without_report")
def test_advice_is_judged_written_down_and_given(shop: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    few = [
        "prompt.task=generate_reason",
        "prompt.style=alpaca",
        "evaluation.generate=8",
        'evaluation.baselines=["chance"]',
    ]
    train(recipe(shop, *few), open_dataset(shop / "dataset"), run, silent)
    metrics = evaluate(run, silent).evaluation.metrics
    assert {"accuracy", "title_exact_match", "title_echo_share", "reason_match"} <= metrics.keys()
    assert metrics["reason_match"].n == 8
    rows: list[dict[str, Any]] = json.loads((run / "generated.json").read_text())
    assert len(rows) == 8
    assert all(row["input"].startswith("I have bought ") for row in rows)
    found = audit_anything(run / "generated.json", None, BenchmarkFiles(), silent).findings
    assert {"answer_in_prompt", "repeated_rows"} <= {finding.check for finding in found}
    user = next(iter(pq.read_table(shop / "dataset" / "interactions.parquet")["user_id"].to_pylist()))
    (best,) = recommend(run, user=user, k=1)["items"]
    assert best["advice"].startswith(best["title"] + ", ")
