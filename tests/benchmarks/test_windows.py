"""System D's rows: what they ask for, whose they are, and that they reach over the split."""

import json
import subprocess
import sys
from pathlib import Path

from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.progress import silent
from shoptalk.recipe import read_recipe
from shoptalk.runs import create_run
from shoptalk.stages.audit import audit_anything
from shoptalk.stages.audit_files import BenchmarkFiles

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "reproductions" / "windows.py"
SETTINGS = [
    "prompt.task=generate_ids",
    "prompt.style=phi3",
    "prompt.history=1",
    "prompt.padding=none",
    "data.min_history=8",
    "split.method=by-time-per-user",
    "split.fractions=[0.7, 0.1, 0.2]",
    "training.choice_epochs=0",
]


def test_each_purchase_asks_for_the_ten_after_it(tmp_path: Path) -> None:
    write_sample(tmp_path / "shop", users=60, items=60)
    recipe = read_recipe(tmp_path / "shop" / "recipe.toml", SETTINGS)
    prepare(recipe, tmp_path / "dataset")
    shop = open_dataset(tmp_path / "dataset")
    create_run(tmp_path / "run", recipe, tmp_path / "dataset", shop.fingerprint)
    command = [sys.executable, str(SCRIPT), "rows", str(tmp_path / "run"), "--out"]
    subprocess.run([*command, str(tmp_path / "rows.jsonl")], check=True)
    subprocess.run([*command, str(tmp_path / "train.jsonl"), "--part", "train"], check=True)
    rows, train = (list(map(json.loads, (tmp_path / name).open())) for name in ("rows.jsonl", "train.jsonl"))
    history = next(iter(shop.histories()))
    own = [row for row in rows if row["user"] == history.user_id]
    first, last = own[0], own[-1]
    assert first["input"] == shop.catalogue[history.items[0]].title
    assert first["output"].split() == [f"<|item_{item}|>" for item in history.items[1:11]]
    assert (first["split"], last["split"], last["output"]) == ("train", "test", "<|item_none|>")
    assert {row["split"] for row in rows} == {"train", "test"}
    assert train == [row for row in rows if row["split"] == "train"]
    found = {one.check: one for one in audit_anything(tmp_path / "rows.jsonl", None, BenchmarkFiles(), silent).findings}
    assert found["overlapping_windows"].severity == "fail"
    asked = [row for row in rows if row["split"] == "test"]
    assert found["rows_without_truth"].size.value == len({row["user"] for row in rows}) / len(asked)  # the last of each
