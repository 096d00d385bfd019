"""LambdaMART's trees evaluated in NumPy beside LightGBM: milliseconds a history, and the largest difference.

    python benchmarks/trees.py [--trees 213] [--candidates 240 100] [--json]

The trees are learned from generated features. Times are processor time of one thread, medians of 50 calls.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import lightgbm
import numpy as np
from threadpoolctl import threadpool_limits

from shoptalk.second_stage.ranker import Groups, TreeSettings, fit_lambdamart

FEATURES, POOLS, CALLS = 56, 400, 50


def milliseconds(work: Callable[[], object]) -> float:
    """The median processor time of a call."""
    times = []
    for _ in range(CALLS):
        begin = time.process_time()
        work()
        times.append(1000 * (time.process_time() - begin))
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trees", type=int, default=213)
    parser.add_argument("--candidates", type=int, nargs="+", default=[240, 100])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    random = np.random.default_rng(1)
    features = random.normal(size=(POOLS * 100, FEATURES)).astype(np.float32)
    value = (features[:, 0] * features[:, 1] + random.normal(size=len(features))).reshape(POOLS, 100)
    groups = Groups(features, (value == value.max(axis=1, keepdims=True)).ravel(), np.full(POOLS, 100))
    with threadpool_limits(1):
        trees = fit_lambdamart(groups, None, 1, TreeSettings(trees=given.trees))
        booster = lightgbm.Booster(model_str=trees.text)
        difference = np.abs(trees.predict(features) - booster.predict(features, num_threads=1)).max()
        rows = {
            str(count): {
                "numpy": milliseconds(lambda part=features[:count]: trees.predict(part)),  # type: ignore[misc]
                "lightgbm": milliseconds(lambda part=features[:count]: booster.predict(part, num_threads=1)),  # type: ignore[misc]
            }
            for count in given.candidates
        }
    report = {"trees": trees.trees, "largest_difference": float(difference), "milliseconds": rows}
    print(json.dumps(report, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
