"""Several methods for one job, in turns: their times, their memory, and their share of peak performance."""

import contextlib
import ctypes
import gc
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from shoptalk.models.precision import DTYPES

#: Does the job once; says at least ``seconds``, ``cpu_seconds``, ``tokens`` and ``loss``.
Run = Callable[[], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Part:
    """Methods for one job, the operations that it needs (unless a run reports others), and its size as text."""

    methods: dict[str, Run]
    operations: float
    missing: str = ""
    size: str = ""


def peak(precision: str) -> float:
    """Operations per second of the fastest square matrix product."""
    best = 0.0
    for size in (512, 1024, 2048):
        left, right = (torch.randn(size, size).to(DTYPES[precision]) for _ in range(2))
        out = left @ right
        for _ in range(3):
            begin = time.perf_counter()
            torch.mm(left, right, out=out)
            best = max(best, 2 * size**3 / (time.perf_counter() - begin))
    return best


def memory(mark: str) -> int:
    """Bytes of resident memory by the name that Linux has for them; 0 elsewhere."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(mark)), 0)


def measured(run: Run) -> dict[str, Any]:
    """What a run says of itself, with the most memory that it took above what stood before."""
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # not every C library and container lets one
            ctypes.CDLL(None).malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    before = memory("VmRSS")
    result = run()
    return {"memory": memory("VmHWM") - before, **result}


def compete(part: Part, rounds: int, precision: str) -> dict[str, Any]:
    """Run all methods in turns, round after round, and summarise their measurements."""
    seen: dict[str, list[dict[str, Any]]] = {name: [] for name in part.methods}
    fastest = peak(precision)
    for _ in range(rounds):
        for name, run in part.methods.items():
            seen[name].append(measured(run))
            last = seen[name][-1]
            print(f"{name}: {last['seconds']:.1f} s, {last['cpu_seconds']:.1f} s of processor", file=sys.stderr)
            fastest = max(fastest, peak(precision))
    each = fastest / torch.get_num_threads()
    rows = {}
    for name, results in seen.items():
        seconds, cpu_seconds, taken = (
            median(result[key] for result in results) for key in ("seconds", "cpu_seconds", "memory")
        )
        rows[name] = {
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "tokens_per_second": results[0]["tokens"] / seconds,
            "tokens_per_cpu_second": results[0]["tokens"] / cpu_seconds,
            "share_of_peak": results[0].get("operations", part.operations) / cpu_seconds / each,
            "memory_mebibytes": taken / (1 << 20),
            "loss": results[0]["loss"],
            "all_cpu_seconds": [result["cpu_seconds"] for result in results],
        }
    first = next(iter(rows), None)
    for row in rows.values():
        row["times_slower"] = rows[first]["tokens_per_second"] / row["tokens_per_second"]
        row["times_the_processor_time"] = rows[first]["tokens_per_cpu_second"] / row["tokens_per_cpu_second"]
    return {
        "size": part.size, "operations": part.operations, "peak": fastest, "rows": rows, "missing": part.missing,
    }  # fmt: skip


def show(name: str, found: dict[str, Any]) -> None:
    """One part, as a table."""
    print(f"\n{name}: {found['size']}; peak {found['peak'] / 1e9:,.0f} GFLOP/s")
    if found["missing"]:
        print(f"  {found['missing']}")
    print("  tokens a second / a processor second; times slower than the first, by either; share of peak; memory; loss")
    for method, row in found["rows"].items():
        print(
            f"  {method:<25} {row['tokens_per_second']:>8,.0f} / {row['tokens_per_cpu_second']:>8,.0f}  "
            f"{row['times_slower']:>6.2f} / {row['times_the_processor_time']:.2f}  "
            f"{100 * row['share_of_peak']:>6.2f} %  {row['memory_mebibytes']:>6,.0f} MiB  {row['loss']:.3f}"
        )
