"""The graph of users and items at 1 to 10 million edges: time to build it, time for a batch of pairs, and memory.

    python benchmarks/graph.py [--edges 1000000 10000000] [--users 1000000] [--items 200000] [--json]

Edges are drawn at random, with items of very different popularity. A batch is the pairs of nodes within rows of a user
and ten of their items, as training asks for them. Each size is measured in a process of its own; memory is the peak of
the process above that before the edges are drawn. The dense table of all pairs, for comparison, is computed, not made.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

from shoptalk.graph.node_pairs import NodePairs
from shoptalk.graph.user_items import UserItemGraph

#: Rows of a batch, and items of a row beside its user.
ROWS, ITEMS = 64, 10


def peak_bytes() -> int:
    """The peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(edges: int, users: int, items: int, batches: int) -> dict[str, Any]:
    """Seconds and peak memory at one size."""
    random = np.random.default_rng(0)
    before = peak_bytes()
    user = random.integers(0, users, edges, dtype=np.int32)
    popularity = random.permutation(items)
    item = popularity[np.minimum(random.pareto(1.2, edges) * items / 100, items - 1).astype(np.int32)].astype(np.int32)
    groups = random.integers(-1, 2_000, items).astype(np.int32)
    begin = time.process_time()
    graph = UserItemGraph.from_edges(user, item, users, groups, groups % 100)
    del user, item
    assert graph.buyers.shape == (items, users)
    built = time.process_time() - begin
    pairs = NodePairs(graph)
    seconds = []
    for _ in range(batches):
        rows = [_row(graph, int(number), random) for number in random.choice(users, ROWS, replace=False)]
        begin = time.process_time()
        pairs.codes(np.stack(rows))
        seconds.append(time.process_time() - begin)
    return {
        "edges": int(graph.purchases.nnz),
        "users": users,
        "items": items,
        "build_seconds": built,
        "batch_seconds": float(np.median(seconds)),
        "slowest_batch_seconds": max(seconds),
        "peak_bytes": peak_bytes() - before,
        "dense_bytes": (users + items) ** 2,
    }


def _row(graph: UserItemGraph, user: int, random: np.random.Generator) -> np.ndarray:
    """The nodes of a user and of their items, -1 where there are fewer."""
    bought = graph.purchases[[user]].indices[:ITEMS]
    row = np.full(ITEMS + 1, -1, dtype=np.int64)
    row[0], row[1 : len(bought) + 1] = user, graph.user_count + random.permutation(bought)
    return row


def main() -> None:
    """Measure each size in a process of its own, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000])
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if len(arguments.edges) == 1:
        results = [measure(arguments.edges[0], arguments.users, arguments.items, arguments.batches)]
    else:
        results = []
        for edges in arguments.edges:
            sizes = ["--users", arguments.users, "--items", arguments.items, "--batches", arguments.batches]
            command = [sys.executable, __file__, "--edges", str(edges), *map(str, sizes), "--json"]
            results += json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if arguments.json:
        print(json.dumps(results))
        return
    print(f"{'edges':>12} {'build s':>8} {'batch s':>8} {'slowest':>8} {'peak MB':>8} {'dense MB':>12}")
    for row in results:
        print(
            f"{row['edges']:12,} {row['build_seconds']:8.2f} {row['batch_seconds']:8.3f} "
            f"{row['slowest_batch_seconds']:8.3f} {row['peak_bytes'] / 1e6:8.0f} {row['dense_bytes'] / 1e6:12,.0f}"
        )


if __name__ == "__main__":
    main()
