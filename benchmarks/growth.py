"""How cost grows: preparing, training and ranking at 1, 2, 4 and 8 times the users and items of a generated shop.

    python benchmarks/growth.py --users 2000 --items 1000 --times 1 2 4 8

Each stage runs in one thread and is told in processor seconds, as a multiple of the first size, and per user. "Close to
linear" means that the last column of a stage stays where it is. Training is one epoch of the same small model with item
tokens: once with negatives drawn for each step, whose cost follows the users, and once with the softmax over the whole
catalogue, whose cost follows users times items and is exact; ranking is the whole catalogue for every test user.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.progress import silent
from shoptalk.recipe import Recipe, read_recipe
from shoptalk.runs import open_run
from shoptalk.stages.load_dataset import open_run_dataset
from shoptalk.stages.train import train
from shoptalk.stages.trained_run import open_trained_run

SETTINGS = (
    "prompt.task=next_item", "prompt.style=bare", "split.method=leave-one-out", "split.history=0", "model.width=64",
    "model.layers=1", "model.vocabulary=300", "model.precision=fp32", "items.dimensions=64", "training.epochs=1",
    "training.pretrain_epochs=0", "training.choice_epochs=0", "evaluation.generate=0",
)  # fmt: skip
STAGES = ("prepare", "train, drawn negatives", "train, whole softmax", "rank")
#: Histories ranked together.
BLOCK = 256


def timed(work: Callable[[], Any]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def measure(users: int, items: int, folder: Path) -> dict[str, float]:
    """Processor seconds of each stage at one size."""
    write_sample(folder, users=users, items=items)
    recipe = read_recipe(folder / "recipe.toml", [*SETTINGS, "items.negatives=256"])
    full = read_recipe(folder / "recipe.toml", SETTINGS)
    seconds = {"prepare": timed(lambda: prepare(recipe, folder / "data"))}

    def learn(one: Recipe, name: str) -> Callable[[], Any]:
        return lambda: train(one, open_dataset(folder / "data"), folder / name, silent)

    seconds["train, drawn negatives"] = timed(learn(recipe, "drawn"))
    seconds["train, whole softmax"] = timed(learn(full, "full"))
    run = open_run(folder / "full")
    shop = open_run_dataset(run)
    model = open_trained_run(run, shop).recommender
    histories = [case.history for case in shop.split("last").test]

    def rank() -> None:
        for start in range(0, len(histories), BLOCK):
            model.rank(histories[start : start + BLOCK], 10)

    return {**seconds, "rank": timed(rank)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=2000, help="at the first size")
    parser.add_argument("--items", type=int, default=1000, help="at the first size")
    parser.add_argument("--times", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:  # imports, and whatever else is done once
        measure(60, 30, Path(folder))
    rows = []
    for times in given.times:
        with tempfile.TemporaryDirectory() as folder:
            seconds = measure(given.users * times, given.items * times, Path(folder))
        rows.append({"times": times, "users": given.users * times, "items": given.items * times, "seconds": seconds})
        if not given.json:
            show(rows)
    if given.json:
        print(json.dumps({"rows": rows}))


def show(rows: list[dict[str, Any]]) -> None:
    """The last size beside the first."""
    first, last = rows[0], rows[-1]
    if len(rows) == 1:
        print(f"{'size':>8} {'stage':<24} {'seconds':>9} {'to first':>9} {'ms a user':>10} {'to first':>9}")
    for stage in STAGES:
        seconds, before = last["seconds"][stage], first["seconds"][stage]
        per_user, per_user_before = seconds / last["users"], before / first["users"]
        print(
            f"{last['times']:>7}x {stage:<24} {seconds:>9.2f} {seconds / before:>9.2f} {per_user * 1e3:>10.3f} "
            f"{per_user / per_user_before:>9.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
