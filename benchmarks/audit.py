"""What an audit costs: time and peak memory on a generated shop of millions of purchases.

    python benchmarks/audit.py --millions 1 10

The shop is a table of purchases with popular and rare items, prepared for leave-one-out without options. Preparing and
auditing each run in a process of their own; the audit's time includes opening the data.
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
_EACH = 10


def write_shop(folder: Path, purchases: int, seed: int) -> None:
    """``purchases`` of users with ten each and a hundredth as many items, in a random order of days."""
    generator = np.random.default_rng(seed)
    users, items = purchases // _EACH, max(1_000, purchases // 100)
    item = np.minimum((items * generator.random(purchases) ** 2.5).astype(np.int64), items - 1)
    names = generator.permutation(10 * items)[:items]
    table = pa.table(
        {
            "user_id": np.char.add("u", np.repeat(np.arange(users), _EACH).astype(str)),
            "item_id": pa.array(np.char.add("i", names.astype(str))).take(pa.array(item)),
            "timestamp": 86_400 * generator.integers(0, 4_000, purchases),
        }
    )
    pq.write_table(table, folder / "interactions.parquet")
    words = np.array(["".join(generator.choice(list("abcdefghijklmnoprstuvwy"), 6)) for _ in range(5_000)])
    titles = [" ".join(row) for row in words[generator.integers(0, len(words), (items, 5))]]
    pq.write_table(
        pa.table({"item_id": np.char.add("i", names.astype(str)), "title": titles}), folder / "items.parquet"
    )
    (folder / "recipe.toml").write_text(RECIPE.format(folder=folder.as_posix()), encoding="utf-8")


def audit_here(folder: Path) -> None:
    """Audit in this process, and print what it cost."""
    from shoptalk.progress import silent
    from shoptalk.stages.audit import audit_anything

    begin, processor = time.perf_counter(), time.process_time()
    result = audit_anything(folder, None, None, None, silent)
    cost = {"seconds": time.perf_counter() - begin, "cpu_seconds": time.process_time() - processor}
    print(json.dumps({**cost, "peak_memory_bytes": peak_memory(), "findings": len(result.findings)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 10])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        audit_here(given.here)
        return
    rows = []
    for millions in given.millions:
        with tempfile.TemporaryDirectory() as index:
            folder = Path(index)
            write_shop(folder, round(millions * 1e6), given.seed)
            command = [sys.executable, "-m", "shoptalk.cli.main", "prepare", folder / "recipe.toml", "--out"]
            subprocess.run([*command, folder / "dataset"], check=True, capture_output=True)
            done = subprocess.run(
                [sys.executable, __file__, "--here", folder / "dataset"], check=True, capture_output=True, text=True
            )
        rows.append({"millions": millions, **json.loads(done.stdout)})
        if not given.json:
            row = rows[-1]
            spent = f"{row['seconds']:.1f} s ({row['cpu_seconds']:.1f} s of the processor)"
            memory = f"{row['peak_memory_bytes'] / 2**20:,.0f} MiB"
            print(f"{millions:g} million purchases: {spent}, {memory}, {row['findings']} findings", flush=True)
    if given.json:
        print(json.dumps({"sizes": rows}))


if __name__ == "__main__":
    main()
