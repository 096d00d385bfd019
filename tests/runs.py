"""Runs as training and evaluation leave them, made by hand: what they got right is known."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shoptalk.recipe import parse_recipe
from shoptalk.runs import create_run

USERS = 60
#: Where the right item stands in a list of ten, by user; 0: nowhere.
GOOD, BAD = [1] * 40 + [0] * 20, [0] * 10 + [2] * 30 + [0] * 20


def make_run(
    folder: Path, ranks: list[int] | None = None, options: list[int] | None = None, *, seed: int = 1, name: str = "",
    fingerprint: str = "f" * 64, width: int = 32, negatives: str = "uniform", seconds: float = 60.0,
) -> Path:  # fmt: skip
    """A run whose model ranked the right item at these places, or chose the right option (1) or another (0)."""
    recipe = parse_recipe(
        {
            "name": name,
            "seed": seed,
            "data": {"source": "table", "interactions": "i.csv"},
            "candidates": {"negatives": negatives},
            "model": {"width": width},
        }
    )
    training = {"seconds": seconds, "tokens": 1000, "parameters": 5000, "joules": None, "joules_of": []}
    create_run(folder, recipe, folder / "dataset", fingerprint).note(trained=True, training=training)
    columns: dict[str, Any] = {"user_id": [f"u{user}" for user in range(USERS)]}
    if options is not None:
        score = "scores" if ranks is None else "option_scores"
        columns |= {"answer": pa.array([1] * USERS, pa.int8()), score: [[0.0, 2.0 * right - 1] for right in options]}
    if ranks is not None:
        lists = [[f"x{index}" for index in range(10)] for _ in ranks]
        for row, rank in zip(lists, ranks, strict=True):
            if rank:
                row[rank - 1] = "right"
        columns |= {"truth": [["right"]] * USERS, "ranked": lists}
    pq.write_table(pa.table(columns), folder / "predictions.parquet")
    seconds_of = {"train": seconds, "rankings": 5.0, "titles": 1.0}
    (folder / "metrics.json").write_text(json.dumps({"metrics": {}, "baselines": {}, "seconds": seconds_of}))
    return folder
