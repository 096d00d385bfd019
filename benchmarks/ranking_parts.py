"""Where the time of ranking goes: milliseconds of one thread a history, by part of a second stage and size of a batch.

    python benchmarks/ranking_parts.py --run runs/beauty-items

RUN is a run whose second stage ranks. Parts that several sources share are counted for the first of them. The trees are
also evaluated by LightGBM, where it is installed.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from shoptalk.runs import open_run
from shoptalk.second_stage.features import make_features
from shoptalk.second_stage.pool import make_pool
from shoptalk.second_stage.ranker import LambdaMart
from shoptalk.second_stage.recommender import SecondStage
from shoptalk.second_stage.sources import Block
from shoptalk.stages.trained_run import open_trained_run

#: Histories that are ranked for each size of a batch.
HISTORIES = 256


class Given:
    """A source whose scores were computed before, so that the pool is timed without them."""

    def __init__(self, source: Any, scores: Any) -> None:
        self.name, self.proposes, self.scale, self._scores = source.name, source.proposes, source.scale, scores

    def scores(self, block: Block) -> Any:  # noqa: ARG002
        """Scores (B, I)."""
        return self._scores


def measure(stage: SecondStage, histories: Sequence[Any], size: int) -> dict[str, float]:
    """Milliseconds a history by part, in batches of a size."""
    seconds: Counter[str] = Counter()

    def timed(part: str, call: Callable[[], Any]) -> Any:
        begin = time.perf_counter()
        result = call()
        seconds[part] += time.perf_counter() - begin
        return result

    ranker = stage.ranker
    for start in range(0, len(histories), size):
        batch = histories[start : start + size]
        block = Block(batch, stage.item_index, stage.tables)
        given = []
        for source in stage.sources:
            part = "the model" if source.name == "model" else "other sources"
            given.append(Given(source, timed(part, partial(source.scores, block))))
        pool = timed("pool", partial(make_pool, block, given, stage.depth))
        features = timed("features", partial(make_features, pool, block, stage.sources))
        timed("trees or linear weights", partial(ranker.predict, features))
        if isinstance(ranker, LambdaMart) and find_spec("lightgbm") is not None:
            import lightgbm

            booster = lightgbm.Booster(model_str=ranker.text)
            timed("the trees by LightGBM", partial(booster.predict, features, num_threads=1))
        timed("all", partial(stage.score_all, batch))
    return {part: total / len(histories) * 1000 for part, total in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    trained = open_trained_run(open_run(options.run), single=True)
    stage = trained.recommender
    if not isinstance(stage, SecondStage):
        parser.error(f"{options.run} has no second stage that ranks")
    users = np.unique(np.asarray(trained.dataset.rows.users, dtype=object))
    chosen = np.random.default_rng(1).permutation(users)[:HISTORIES]
    histories = [trained.dataset.history(str(user)) for user in chosen]
    with threadpool_limits(1):
        stage.score_all(histories[:8])  # what is computed once
        measured = {size: measure(stage, histories, size) for size in options.batches}
    if options.json:
        print(json.dumps(measured, indent=2))
        return
    print(f"| ms a history | {' | '.join(f'batch of {size}' for size in measured)} |")
    print(f"|---|{'---|' * len(measured)}")
    for part in measured[options.batches[0]]:
        print(f"| {part} | {' | '.join(f'{figures[part]:.2f}' for figures in measured.values())} |")


if __name__ == "__main__":
    main()
