"""How cost grows: preparing, training and ranking for 1, 2, 4 and 8 times the users and items of generated data.

    python benchmarks/growth.py --users 2000 --items 1000 --times 1 2 4 8

Each stage runs in one thread. Its cost is reported in processor seconds, as a multiple of the first size, and per user.
If it is close to linear, the last column stays near 1. Training is one epoch of the same small model with item tokens:
once with sampled negatives, whose cost grows with the users, and once with the softmax over the whole catalogue, whose
cost grows with users times items. Ranking scores the whole catalogue for every test user.
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
    "prompt.task=next_item",
    "prompt.style=bare",
    "split.method=leave-one-out",
    "split.history=0",
    "model.width=64",
    "model.layers=1",
    "model.vocabulary=300",
    "model.precision=fp32",
    "items.dimensions=64",
    "training.epochs=1",
    "training.pretrain_epochs=0",
    "training.choice_epochs=0",
    "evaluation.generate=0",
)
STAGES = ("prepare", "train, drawn negatives", "train, whole softmax", "rank")
#: Histories ranked together.
BLOCK = 256


def time_call(function: Callable[[], Any]) -> float:
    """Processor seconds of a call."""
    begin = time.process_time()
    function()
    return time.process_time() - begin


def measure(users: int, items: int, folder: Path) -> dict[str, float]:
    """Processor seconds of each stage at one size."""
    write_sample(folder, users=users, items=items)
    sampled = read_recipe(folder / "recipe.toml", [*SETTINGS, "items.negatives=256"])
    full = read_recipe(folder / "recipe.toml", SETTINGS)
    seconds = {"prepare": time_call(lambda: prepare(sampled, folder / "data"))}

    def training(recipe: Recipe, name: str) -> Callable[[], Any]:
        """A call that trains by the recipe."""
        return lambda: train(recipe, open_dataset(folder / "data"), folder / name, silent)

    seconds["train, drawn negatives"] = time_call(training(sampled, "sampled"))
    seconds["train, whole softmax"] = time_call(training(full, "full"))
    run = open_run(folder / "full")
    dataset = open_run_dataset(run)
    model = open_trained_run(run, dataset).recommender
    histories = [case.history for case in dataset.split("last").test]

    def rank() -> None:
        """Rank the catalogue for all test users."""
        for start in range(0, len(histories), BLOCK):
            model.rank(histories[start : start + BLOCK], 10)

    return {**seconds, "rank": time_call(rank)}


def main() -> None:
    """Measure all sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=2000, help="at the first size")
    parser.add_argument("--items", type=int, default=1000, help="at the first size")
    parser.add_argument("--times", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:  # imports and other work that is done only once
        measure(20, 20, Path(folder))
    rows = []
    for times in arguments.times:
        with tempfile.TemporaryDirectory() as folder:
            seconds = measure(arguments.users * times, arguments.items * times, Path(folder))
        rows.append(
            {"times": times, "users": arguments.users * times, "items": arguments.items * times, "seconds": seconds}
        )
        if not arguments.json:
            show(rows)
    if arguments.json:
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
