"""Time and peak memory of an audit of millions of generated purchases.

    python benchmarks/audit.py --millions 1 10

The data are a table of purchases of popular and rare items, prepared for leave-one-out without options. Preparing and
auditing run in separate processes; the time of the audit includes opening the dataset.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shoptalk.system import peak_memory

RECIPE = """
[data]
source = "table"
interactions = "{folder}/interactions.parquet"
items = "{folder}/items.parquet"
min_history = 3
[split]
method = "leave-one-out"
[prompt]
task = "next_item"
style = "bare"
"""
#: Purchases of each user.
HISTORY_LENGTH = 10


def write_data(folder: Path, purchases: int, seed: int) -> None:
    """Write random purchases, ten of each user and on average a hundred of each item, with items and a recipe."""
    generator = np.random.default_rng(seed)
    users, items = purchases // HISTORY_LENGTH, max(1_000, purchases // 100)
    item_index = np.minimum((items * generator.random(purchases) ** 2.5).astype(np.int64), items - 1)
    item_numbers = generator.permutation(10 * items)[:items]
    table = pa.table(
        {
            "user_id": np.char.add("u", np.repeat(np.arange(users), HISTORY_LENGTH).astype(str)),
            "item_id": pa.array(np.char.add("i", item_numbers.astype(str))).take(pa.array(item_index)),
            "timestamp": 86_400 * generator.integers(0, 4_000, purchases),
        }
    )
    pq.write_table(table, folder / "interactions.parquet")
    vocabulary = np.array(["".join(generator.choice(list("abcdefghijklmnoprstuvwy"), 6)) for _ in range(5_000)])
    titles = [" ".join(row) for row in vocabulary[generator.integers(0, len(vocabulary), (items, 5))]]
    pq.write_table(
        pa.table({"item_id": np.char.add("i", item_numbers.astype(str)), "title": titles}), folder / "items.parquet"
    )
    (folder / "recipe.toml").write_text(RECIPE.format(folder=folder.as_posix()), encoding="utf-8")


def audit_here(folder: Path) -> None:
    """Audit in this process, and print its time and memory as JSON."""
    from shoptalk.progress import silent
    from shoptalk.stages.audit import audit_anything
    from shoptalk.stages.audit_files import BenchmarkFiles

    begin, processor = time.perf_counter(), time.process_time()
    result = audit_anything(folder, None, BenchmarkFiles(), silent)
    cost = {"seconds": time.perf_counter() - begin, "cpu_seconds": time.process_time() - processor}
    print(json.dumps({**cost, "peak_memory_bytes": peak_memory(), "findings": len(result.findings)}))


def main() -> None:
    """Prepare and audit data of each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 10])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        audit_here(arguments.here)
        return
    rows = []
    for millions in arguments.millions:
        with tempfile.TemporaryDirectory() as path:
            folder = Path(path)
            write_data(folder, round(millions * 1e6), arguments.seed)
            command = [sys.executable, "-m", "shoptalk.cli.main", "prepare", folder / "recipe.toml", "--out"]
            subprocess.run([*command, folder / "dataset"], check=True, capture_output=True)
            completed = subprocess.run(
                [sys.executable, __file__, "--here", folder / "dataset"], check=True, capture_output=True, text=True
            )
        rows.append({"millions": millions, **json.loads(completed.stdout)})
        if not arguments.json:
            row = rows[-1]
            seconds = f"{row['seconds']:.1f} s ({row['cpu_seconds']:.1f} s of processor time)"
            memory = f"{row['peak_memory_bytes'] / 2**20:,.0f} MiB"
            print(f"{millions:g} million purchases: {seconds}, {memory}, {row['findings']} findings", flush=True)
    if arguments.json:
        print(json.dumps({"sizes": rows}))


if __name__ == "__main__":
    main()
