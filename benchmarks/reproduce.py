"""The four published systems, run again: every figure of ``docs/reproductions/`` is written by this command.

    python benchmarks/reproduce.py a --runs runs/a          # runs what is missing in runs/a, then rewrites the page
    python benchmarks/reproduce.py a b c d --only-write     # only rewrites pages, from runs that are there

A page has a block between two marks; what stands there comes from the runs' ``metrics.json`` and ``audit.json``.
"""

import argparse
import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoptalk.files import write_text

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reproductions"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
#: Metrics of a table, where a run has them.
SHOWN = ("accuracy", "swapped_accuracy", "personalisation_gap", "recall@10", "ndcg@10", "precision@10", "hr@10",
         "mrr@10", "swapped_recall@10", "repeat_share", "echo_share", "invalid_share", "title_exact_match",
         "title_invalid_share")  # fmt: skip
#: By what simple methods are told, the first that a run has.
BY = ("accuracy", "recall@10")


@dataclass(frozen=True)
class Experiment:
    """One run of a page: its folder's name, what it is, its recipe and other settings.

    ``script`` makes the run from another one instead, whose name follows it.
    """

    name: str
    what: str
    recipe: str = ""
    settings: tuple[str, ...] = ()
    script: tuple[str, str] | None = None

    def command(self, runs: Path) -> list[str]:
        """What a user types."""
        if self.script:
            return ["python", self.script[0], str(runs / self.script[1]), str(runs / self.name)]
        changed = [part for setting in self.settings for part in ("--set", setting)]
        return ["shoptalk", "run", self.recipe, *changed, "--out", str(runs / self.name)]


EXPERIMENTS: dict[str, tuple[Experiment, ...]] = {
    "a": (
        Experiment(
            "published", "as published: the right option alone is cleaned", "recipes/beauty-options-as-published.toml"
        ),
        Experiment("honest", "one cleaning for all options", "recipes/beauty-options.toml"),
    ),
    "b": (
        Experiment("next", "the next item alone", "recipes/toys-crowd.toml", ('items.tasks=["next"]',)),
        Experiment("crowd", "with crowd prompts", "recipes/toys-crowd.toml"),
        Experiment("honest", "with a graph of what may be known", "recipes/toys-items.toml"),
        Experiment(
            "leaky", "with a graph that has seen the test, as published", script=("benchmarks/leaky_graph.py", "honest")
        ),
    ),
}


def run_missing(page: str, runs: Path) -> None:
    """Run what has no report yet; what was broken off goes on."""
    for experiment in EXPERIMENTS[page]:
        folder = runs / experiment.name
        if (folder / "audit.json").exists():  # the last of a run but its page
            continue
        program, *rest = experiment.command(runs)
        if program == "shoptalk":
            rest = ["-m", "shoptalk.cli.main", *rest, *(["--resume"] if (folder / "run.json").exists() else [])]
        subprocess.run([sys.executable, *rest], check=True, cwd=ROOT)


def figures(page: str, runs: Path) -> str:
    """The page's block: a table for each run, the simple methods beside it, and what the audit says."""
    parts = [f"Written by `python benchmarks/reproduce.py {page}`."]
    for experiment in EXPERIMENTS[page]:
        folder = runs / experiment.name
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        audit = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
        shown = shlex.join(experiment.command(Path("runs") / page))
        parts += [f"### {experiment.what[0].upper()}{experiment.what[1:]}", f"`{shown}`"]
        parts += [_table(metrics), _simple(metrics), _findings(audit)]
    return "\n\n".join(part for part in parts if part)


def _table(metrics: dict[str, Any]) -> str:
    rows = [(name.replace("_", " "), metrics["metrics"][name]) for name in SHOWN if name in metrics["metrics"]]
    lines = [
        f"| {name} | {row['value']:.4f} | {_span(row)} | {row['n']:,} |"
        for name, row in rows
        if row["value"] is not None
    ]
    return "\n".join(["| metric | value | 95 % interval | users |", "|---|---|---|---|", *lines])


def _span(row: dict[str, Any]) -> str:
    return "" if row["low"] is None else f"{row['low']:.4f} to {row['high']:.4f}"


def _simple(metrics: dict[str, Any]) -> str:
    by = next((name for name in BY if name in metrics["metrics"]), None)
    able = {name: own[by]["value"] for name, own in metrics["baselines"].items() if by in own}
    said = ", ".join(
        f"{name.replace('_', ' ')} {able[name]:.4f}" for name in sorted(able, key=lambda name: -able[name])
    )
    return f"Simple methods by {by}: {said}." if by and said else ""


def _findings(audit: dict[str, Any]) -> str:
    bad = [finding for finding in audit["findings"] if finding["severity"] != "info"]
    lines = [f"- **{one['severity']}**, {one['check'].replace('_', ' ')}: {one['says']}" for one in bad]
    return "\n".join(["The audit says:", "", *lines]) if lines else "The audit finds nothing."


def rewrite(page: str, block: str) -> None:
    """Put the block between the marks of a page."""
    path = PAGES / f"{page}.md"
    text = path.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    write_text(path, f"{before}{BEGIN}\n{block}\n{END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="+", choices=sorted(EXPERIMENTS))
    parser.add_argument("--runs", type=Path, help="folder of one page's runs; runs/PAGE by default")
    parser.add_argument("--only-write", action="store_true", help="run nothing")
    given = parser.parse_args()
    if given.runs and len(given.pages) > 1:
        parser.error("--runs names the runs of one page")
    for page in given.pages:
        runs = given.runs or ROOT / "runs" / page
        if not given.only_write:
            run_missing(page, runs.resolve())
        rewrite(page, figures(page, runs))


if __name__ == "__main__":
    main()
