"""The task of the guide and others that are registered, from purchases to recommendations."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.errors import UsageError
from shoptalk.experiment import run as run_experiment
from shoptalk.progress import silent
from shoptalk.recipe import Recipe, parse_recipe
from shoptalk.runs import open_run
from shoptalk.schema import Candidates, History
from shoptalk.stages.train import train
from shoptalk.stages.trained_run import open_trained_run
from shoptalk.tasks import check_recipe, get_task, register, task_names, unregister
from shoptalk.tasks.next_item import ItemPrompts, NextItem
from shoptalk.tasks.rankings import RankingTask
from tests.stages.printed import recommend

GUIDE = (Path(__file__).parents[2] / "docs/guide/adding.md").read_text(encoding="utf-8")
EXAMPLE = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)[0]
BRANDS = ("Rose", "Mint")
TITLES = ("soap bar", "hand soap", "bath oil", "hair oil", "face cream", "hand cream", "bath salt", "face mask")
ITEMS, USERS = len(TITLES), 24


def dataset_recipe(folder: Path, **sections: Any) -> Recipe:
    """Write purchases of users who buy one of two brands; returns a recipe for them."""
    items = [f"i{number},{title},{BRANDS[number % 2]}" for number, title in enumerate(TITLES)]
    purchases = [
        f"u{user},i{(user + 2 * step) % ITEMS},{1_600_000_000 + 100 * step}"
        for user in range(USERS)
        for step in range(4)
    ]
    (folder / "items.csv").write_text("\n".join(["item_id,title,brand", *items]), encoding="utf-8")
    (folder / "purchases.csv").write_text("\n".join(["user_id,item_id,timestamp", *purchases]), encoding="utf-8")
    files = {"interactions": str(folder / "purchases.csv"), "items": str(folder / "items.csv")}
    return parse_recipe(
        {
            "data": {"source": "table", "keep": ["brand"], **files},
            "model": {"width": 32, "layers": 1, "vocabulary": 300, "precision": "fp32"},
            "training": {"epochs": 1, "patience": 0},
            "evaluation": {"baselines": ["popularity"], "resamples": 100},
            **sections,
        }
    )


@pytest.fixture
def brand() -> Iterator[None]:
    """Register the task of the guide."""
    exec(compile(EXAMPLE, "docs/guide/adding.md", "exec"), {"__name__": "brand_task"})
    yield
    unregister("brand")


@pytest.mark.usefixtures("brand")
def test_the_task_of_the_guide_from_purchases_to_recommendations(tmp_path: Path) -> None:
    recipe = dataset_recipe(tmp_path, candidates={"options": 3}, prompt={"task": "brand", "style": "alpaca"})
    check_recipe(recipe)
    _, result = run_experiment(recipe, tmp_path / "run", silent)
    accuracy = result.evaluation.metrics["accuracy"]
    assert accuracy.n == USERS
    assert 0 <= accuracy.value <= 1
    assert "accuracy" in result.evaluation.baselines["popularity"]
    assert re.match(r" ?(Rose|Mint): \w+ \w+", result.evaluation.samples[0].answer)
    assert len(result.evaluation.samples[0].others) == 2
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Name the brand and the product" in page
    recommended = recommend(tmp_path / "run", user="u0", k=3, explain=True)
    assert len({item["item_id"] for item in recommended["items"]}) == 3
    assert {item["title"] for item in recommended["items"]} <= set(TITLES)
    bought = {item["item_id"] for item in recommended["history"]}
    assert {reason["item_id"] for reason in recommended["items"][0]["because"]} == bought


@pytest.mark.usefixtures("brand")
def test_a_service_loads_a_run_of_it(tmp_path: Path) -> None:
    recipe = dataset_recipe(tmp_path, candidates={"options": 3}, prompt={"task": "brand", "style": "alpaca"})
    prepare(recipe, tmp_path / "dataset")
    train(recipe, open_dataset(tmp_path / "dataset"), tmp_path / "run", silent)
    recommender = open_trained_run(open_run(tmp_path / "run")).recommender
    histories = [History("a", ("i0", "i2")), History("b", ())]
    assert [len(ranked.items) for ranked in recommender.rank(histories, 4)] == [4, 4]
    options = Candidates(("i4", "i1"), ("face cream", "hand soap"))
    assert [len(scores) for scores in recommender.score(histories, [options, options])] == [2, 2]


class RenamedNextItem(NextItem):
    """Ranks the catalogue as `NextItem` does, under another name."""

    name = "renamed_next_item"
    summary = "predict the next item's token, under another name"
    prompts = ItemPrompts


def test_a_ranking_task(tmp_path: Path) -> None:
    assert issubclass(RenamedNextItem, RankingTask)
    register(RenamedNextItem())
    try:
        recipe = dataset_recipe(
            tmp_path, prompt={"task": "renamed_next_item", "style": "bare"}, items={"dimensions": 4}
        )
        _, result = run_experiment(recipe, tmp_path / "run", silent)
        assert result.evaluation.metrics["recall@10"].n == USERS
        assert "recall@10" in result.evaluation.baselines["popularity"]
        assert len(recommend(tmp_path / "run", user="u0", k=2)["items"]) == 2
    finally:
        unregister("renamed_next_item")


def test_a_taken_name_is_refused_and_builtin_tasks_stay() -> None:
    before = task_names()
    with pytest.raises(UsageError, match="registered already"):
        register(get_task("next_item"))
    with pytest.raises(UsageError, match="no task named 'next_item' was registered"):
        unregister("next_item")
    assert task_names() == before


def test_tasks_are_light_to_import(tmp_path: Path) -> None:
    """Checking a recipe loads no model library."""
    path = tmp_path / "recipe.toml"
    path.write_text('[data]\nsource = "table"\ninteractions = "p.csv"\n[prompt]\ntask = "next_item"\n')
    program = f"""
import sys
from pathlib import Path
from shoptalk.tasks import get_task, load_recipe, task_names
[get_task(name) for name in task_names()]
load_recipe(Path({str(path)!r}))
print([name for name in ("torch", "transformers", "peft") if name in sys.modules])
"""
    completed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert completed.stdout.strip() == "[]", completed.stderr[-2000:]
