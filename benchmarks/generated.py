"""A dozen generated shops of different kinds: the default recipe beside every simple method.

    python benchmarks/generated.py [--kinds tiny popular] [--users 300] [--seeds 1 2 3] [--json]

Each shop is prepared, trained and evaluated with the default settings of `next_item`. Printed are the method that
validation chose, and NDCG@10 on test users of the run and of each simple method, with the paired difference from the
best of them and its 95 % interval. The best simple method is found on the test, which favours it.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from shoptalk.api.settings import make_recipe
from shoptalk.data.sample import NEXT_ITEM_FILE, write_sample
from shoptalk.data.sample_purchases import Behaviour
from shoptalk.experiment import run
from shoptalk.progress import silent
from shoptalk.results import EvaluationResult
from shoptalk.tasks import load_recipe

METRIC = "ndcg@10"
#: Simple methods that the default recipe evaluates, and two more.
BASELINES = ("popularity", "recent_popularity", "item_knn", "text_knn", "transitions", "repeat_last", "als")


@dataclass(frozen=True, slots=True)
class Kind:
    """A generated shop: how its users buy, its size relative to ``--users``, and settings of its data."""

    behaviour: Behaviour
    users: float = 1.0
    items: int = 100
    settings: Mapping[str, Any] | None = None


KINDS: dict[str, Kind] = {
    "mixed": Kind(Behaviour()),
    "popular": Kind(Behaviour(complement=0, popular=0.9)),
    "sequences": Kind(Behaviour(complement=0.8, popular=0.05)),
    "texts": Kind(Behaviour(complement=0, popular=0, match=100), items=300),
    "brands, many items": Kind(Behaviour(complement=0.1, popular=0.05, match=30), items=600),
    "noise": Kind(Behaviour(complement=0.05, popular=0.5, match=1)),
    "tiny": Kind(Behaviour(), users=0.2, items=40),
    "tiny, popular": Kind(Behaviour(complement=0, popular=0.9), users=0.2, items=40),
    "repeats": Kind(Behaviour(repeat=0.4), settings={"duplicates": "keep"}),
    "one day": Kind(Behaviour(same_day=0.9)),
    "long histories": Kind(Behaviour(least=10, mean=15), users=0.5),
    "more users": Kind(Behaviour(), users=3.0, items=150),
}


def evaluate_kind(kind: Kind, users: int, seed: int, folder: Path) -> tuple[str, EvaluationResult]:
    """Prepare, train and evaluate one shop; the method that ranks and the result."""
    write_sample(
        folder / "shop", users=max(20, round(users * kind.users)), items=kind.items, seed=seed, behaviour=kind.behaviour
    )
    content = load_recipe(folder / "shop" / NEXT_ITEM_FILE).model_dump(exclude_none=True)
    content["data"] |= kind.settings or {}
    content["evaluation"]["baselines"] = BASELINES
    trained, result = run(make_recipe(content, {"seed": seed}), folder / "run", silent)
    return trained.run.ranking_method, result.evaluation


def row(name: str, seed: int, method: str, result: EvaluationResult) -> dict[str, Any]:
    """The figures of one shop."""
    simple = {baseline: metrics[METRIC].value for baseline, metrics in result.baselines.items() if METRIC in metrics}
    best = max(simple, key=lambda baseline: simple[baseline])
    difference = result.difference(best, METRIC)
    assert difference is not None
    return {
        "kind": name,
        "seed": seed,
        "method": method,
        "users": result.metrics[METRIC].n,
        METRIC: result.metrics[METRIC].value,
        "simple": simple,
        "best": best,
        "difference": [difference.difference, difference.low, difference.high],
    }


def show(figures: Mapping[str, Any]) -> str:
    """A row of the table."""
    value, low, high = figures["difference"]
    simple = ", ".join(f"{name} {figure:.3f}" for name, figure in figures["simple"].items())
    return (
        f"| {figures['kind']} | {figures['users']} | {figures['method']} | {figures[METRIC]:.3f} | "
        f"{figures['best']} {value:+.3f} [{low:+.3f}, {high:+.3f}] | {simple} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not given.json:
        print(f"| shop | test users | method | {METRIC} | less the best simple method | simple methods |")
        print("|---|---|---|---|---|---|")
    begin = time.process_time()
    with threadpool_limits(1):
        for seed in given.seeds:
            for name in given.kinds:
                with tempfile.TemporaryDirectory() as folder:
                    figures = row(name, seed, *evaluate_kind(KINDS[name], given.users, seed, Path(folder)))
                print(json.dumps(figures) if given.json else show(figures), flush=True)
    if not given.json:
        print(f"\n{time.process_time() - begin:.0f} processor seconds")


if __name__ == "__main__":
    main()
