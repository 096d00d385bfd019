"""Sizes of the model on several data sets, judged on validation cases: what the defaults of `next_item` are built on.

    python benchmarks/sizes.py --data gift-cards generated-40 --widths 64 128 --dropouts 0.2 0.4 [--json]

Each size is trained with early stopping. Printed are NDCG@10 on validation cases of the model with its transition-text
scorer, of the best simple source and of the learned second stage, the best epoch, and processor seconds of one thread.
The test cases are not looked at.
"""

import argparse
import itertools
import json
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from shoptalk.api.settings import make_recipe
from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.progress import silent
from shoptalk.recipe import Recipe
from shoptalk.runs import read_log
from shoptalk.stages.train import train
from shoptalk.tasks import load_recipe

AMAZON = "${SHOPTALK_DATA}/amazon"


def table(name: str) -> Callable[[Path], dict[str, Any]]:
    """The data section of a folder with items.parquet and interactions.parquet."""
    folder = f"{AMAZON}{name}"
    return lambda _: {
        "source": "table",
        "interactions": f"{folder}/interactions.parquet",
        "items": f"{folder}/items.parquet",
    }


def generated(users: int, items: int) -> Callable[[Path], dict[str, Any]]:
    """The data section of a generated shop."""

    def write(folder: Path) -> dict[str, Any]:
        write_sample(folder, users=users, items=items)
        return load_recipe(folder / "recipe.toml").data.model_dump(exclude_none=True)

    return write


def gift_cards(_: Path) -> dict[str, Any]:
    """The data section of the gift cards."""
    folder = f"{AMAZON}2018-gift-cards"
    return {
        "source": "amazon2018",
        "reviews": f"{folder}/Gift_Cards_5.json.gz",
        "items": f"{folder}/meta_Gift_Cards.json.gz",
    }


DATA: dict[str, Callable[[Path], dict[str, Any]]] = {
    "generated-40": generated(300, 40),
    "gift-cards": gift_cards,
    "generated-600": generated(2000, 600),
    "industrial": table("2018-industrial"),
    "office": table("2018-office"),
    "toys": table("-toys"),
    "beauty": table("-beauty"),
}


def recipe_of_size(data: dict[str, Any], size: dict[str, Any], epochs: int) -> Recipe:
    """The default recipe of `next_item` with one size, without the final fit."""
    content = {
        "name": "sizes",
        "data": data,
        "split": {"method": "leave-one-out", "ties": "random"},
        "prompt": {"task": "next_item"},
        "model": {"width": size["width"], "layers": size["layers"], "dropout": size["dropout"], "vocabulary": 300},
        "items": {"dimensions": size["width"], "second_stage": "auto"},
        "training": {
            "epochs": epochs,
            "patience": 3,
            "learning_rate": size["learning_rate"],
            "weight_decay": 1e-2,
            "batch_tokens": size["batch_tokens"],
            "refit": False,
        },
    }
    return make_recipe(content, {})


def measure(dataset: Dataset, recipe: Recipe, out: Path) -> dict[str, Any]:
    """Train one size; its figures on validation cases."""
    begin = time.process_time()
    trained = train(recipe, dataset, out, silent)
    facts = trained.run.info["training"]
    ndcg = facts["ranking"]["ndcg"]
    epochs = [event["ndcg@10"] for event in read_log(out) if event["event"] == "epoch"]
    simple = {name: value for name, value in ndcg.items() if name not in {"model", "linear", "lambdamart"}}
    best_simple = max(simple, key=lambda name: simple[name])
    return {
        "model alone": max(epochs, default=math.nan),
        "model with scorer": ndcg["model"],
        "best simple": [best_simple, simple[best_simple]],
        "second stage": {name: ndcg[name] for name in ("linear", "lambdamart") if name in ndcg},
        "chosen": facts["ranking"]["chosen"],
        "best epoch": facts["best_epoch"],
        "epochs": len(epochs),
        "seconds": time.process_time() - begin,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--layers", type=int, nargs="+", default=[2])
    parser.add_argument("--dropouts", type=float, nargs="+", default=[0.4])
    parser.add_argument("--learning-rates", type=float, nargs="+", default=[1e-3])
    parser.add_argument("--batch-tokens", type=int, nargs="+", default=[1024])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    sizes = [
        dict(zip(("width", "layers", "dropout", "learning_rate", "batch_tokens"), values, strict=True))
        for values in itertools.product(
            given.widths, given.layers, given.dropouts, given.learning_rates, given.batch_tokens
        )
    ]
    with tempfile.TemporaryDirectory() as name, threadpool_limits(1):
        folder = Path(name)
        for data in given.data:
            section = DATA[data](folder / f"raw-{data}")
            prepare(recipe_of_size(section, sizes[0], given.epochs), folder / data)
            dataset = open_dataset(folder / data)
            for number, size in enumerate(sizes):
                recipe = recipe_of_size(section, size, given.epochs)
                figures = measure(dataset, recipe, folder / f"{data}-{number}")
                print(json.dumps({"data": data, **size, **figures}), flush=True)


if __name__ == "__main__":
    main()
