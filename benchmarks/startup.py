"""Processor seconds and wall seconds of the import and of short commands, each in a new process.

Usage: python benchmarks/startup.py [--run RUN] [--times N] [--compare COMMIT]

Data: 300 generated users of 40 products. ``--run`` is a trained run, for `shoptalk recommend`; a user of it is taken
from its predictions. ``--compare`` also measures another commit, alternately, and prints the ratio.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
CLI = ("-m", "shoptalk.cli.main")


def seconds(source: Path, arguments: Sequence[str]) -> tuple[float, float]:
    """Processor and wall seconds of one Python process with the package of a source folder."""
    environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def commands(folder: Path, run: Path | None) -> dict[str, list[str]]:
    """What is measured, by name; the data lie in ``folder``."""
    raw, dataset = folder / "raw", folder / "dataset"
    sample = ["sample", str(raw), "--users", "300", "--items", "40"]
    subprocess.run([sys.executable, *CLI, *sample], check=True, capture_output=True)
    found = {
        "import shoptalk": ["-c", "import shoptalk"],
        "shoptalk --version": [*CLI, "--version"],
        "shoptalk --help": [*CLI, "--help"],
        "shoptalk prepare": [*CLI, "prepare", str(raw / "recipe.toml"), "--out", str(dataset), "--json"],
        "shoptalk audit": [*CLI, "audit", str(dataset), "--json"],
    }
    if run is not None:
        with pq.ParquetFile(run / "predictions.parquet") as file:
            user = file.read(["user_id"])["user_id"][0].as_py()
        found["shoptalk recommend"] = [*CLI, "recommend", str(run), "--user", user, "--json"]
    return found


def measure(sources: Mapping[str, Path], run: Path | None, times: int) -> None:
    """Print the medians of each command for each source folder, measured alternately."""
    print("| command | version | processor s | wall s |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in commands(Path(folder), run).items():
            rows: dict[str, list[tuple[float, float]]] = {version: [] for version in sources}
            for _ in range(times):
                for version, source in sources.items():
                    rows[version].append(seconds(source, arguments))
            for version, measured in rows.items():
                processor, wall = (statistics.median(values) for values in zip(*measured, strict=True))
                print(f"| {name} | {version} | {processor:.2f} | {wall:.2f} |", flush=True)


def main() -> None:
    """Measure this version, and with ``--compare`` another commit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--compare", metavar="COMMIT")
    options = parser.parse_args()
    if options.compare is None:
        measure({"this": ROOT / "src"}, options.run, options.times)
        return
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder) / "before"
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "-q", "--detach", before, options.compare], check=True)
        try:
            measure({options.compare: before / "src", "this": ROOT / "src"}, options.run, options.times)
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", before], check=True)


if __name__ == "__main__":
    main()
