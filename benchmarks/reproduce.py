"""Reproduces the four published systems: this command writes all figures of ``docs/reproductions/``.

    python benchmarks/reproduce.py a --runs runs/a          # makes the missing runs in runs/a, then rewrites the page
    python benchmarks/reproduce.py b --graph industrial     # only the comparison of graph attention, in one shop
    python benchmarks/reproduce.py a b c d --only-write     # only rewrites the pages, from existing runs
    python benchmarks/reproduce.py c --group 2              # only the second group of runs of a page
    python benchmarks/reproduce.py a --group smollm2        # only the group of this name

Each page has a block between two marks. Its figures come from ``metrics.json`` and ``audit.json`` of the runs, and from
the output of ``shoptalk audit``, ``shoptalk score`` and ``shoptalk compare`` on files that belong to them
(``benchmarks/reproductions/steps.py``).
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from reproductions import graph_forms
from reproductions.error_tables import error_section
from reproductions.steps import EXPERIMENTS, GROUPS, Experiment, Group, Material
from shoptalk.files import write_text
from shoptalk.report.names import show_p

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reproductions"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
#: The page with the comparison of graph attention, and the shop whose figures are in the paragraph at its top.
GRAPH_PAGE, SUMMED_UP = "b", "industrial"
#: Metrics of a table; those that a run does not have are left out.
SHOWN = (
    "accuracy",
    "swapped_accuracy",
    "personalisation_gap",
    "recall@10",
    "ndcg@10",
    "precision@10",
    "hr@10",
    "mrr@10",
    "swapped_recall@10",
    "repeat_share",
    "echo_share",
    "invalid_share",
    "title_exact_match",
    "title_invalid_share",
)
#: Metrics of the baselines; the first that a run has is shown.
BASELINE_METRICS = ("accuracy", "recall@10")


def chosen_groups(page: str, wanted: str | None) -> tuple[Group, ...]:
    """The groups of a page, or the one with a number from 1 or a name."""
    groups = GROUPS.get(page, ())
    named = enumerate(groups, start=1)
    return groups if wanted is None else tuple(group for number, group in named if wanted in {str(number), group.name})


def run_missing(page: str, runs: Path, wanted: str | None = None) -> None:
    """Run the missing steps of a page, or of one of its groups; interrupted runs are resumed."""
    groups = chosen_groups(page, wanted)
    experiments = EXPERIMENTS.get(page, ()) if wanted is None else ()
    for step in (*experiments, *(step for group in groups for step in group.steps)):
        command, path = step.command(runs), runs / step.name
        if isinstance(step, Material):
            if not path.exists():
                _run(command)
            if step.judged:
                write_text(_judged_path(runs, step), _run([*step.judge(runs), "--json"], exit_codes=(0, 3, 4)))
        elif not (path / "audit.json").exists():  # the last file of a run except for its page
            resume = command[0] == "shoptalk" and (path / "run.json").exists()
            _run([*command, *(["--resume"] if resume else [])])
    for group in groups:
        if group.compared:
            write_text(_comparison_path(runs, group.compared), _run([*group.compare(runs), "--json"]))


def _run(command: list[str], exit_codes: tuple[int, ...] = (0,)) -> str:
    """Run a command with this Python and return its output; it must end with one of the exit codes."""
    program, *arguments = command
    module = ["-m", "shoptalk.cli.main"] if program == "shoptalk" else []
    process = [sys.executable, *module, *arguments]
    completed = subprocess.run(process, check=False, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if completed.returncode not in exit_codes:
        raise subprocess.CalledProcessError(completed.returncode, process)
    return completed.stdout


def _judged_path(runs: Path, step: Material) -> Path:
    """File of the output of the command that judges a step."""
    return runs / f"{step.name}.{step.judged}.json"


def _comparison_path(runs: Path, names: tuple[str, str]) -> Path:
    """File of the output of ``shoptalk compare``."""
    return runs / f"{'-against-'.join(names)}.compare.json"


def figures(page: str, runs: Path) -> str:
    """The block of a page: for each run a table, its baselines and its audit; for each group one table of its runs.

    The section of a run that is not there stays as the page has it.
    """
    parts = [f"Written by `python benchmarks/reproduce.py {page}`."]
    for experiment in EXPERIMENTS.get(page, ()):
        title = f"{experiment.what[0].upper()}{experiment.what[1:]}"
        if not _is_made(experiment, runs):
            parts += kept_section(page, title)
            continue
        metrics, audit = (_read(runs / experiment.name / name) for name in ("metrics.json", "audit.json"))
        command = shlex.join(experiment.command(Path("runs") / page))
        parts += [f"### {title}", f"`{command}`"]
        parts += [_table(metrics), _baselines(metrics), _findings(audit)]
    for group in GROUPS.get(page, ()):
        parts += group_section(group, page, runs)
    return "\n\n".join(part for part in parts if part)


def group_section(group: Group, page: str, runs: Path) -> list[str]:
    """The parts of a group's section, of the runs that are there; without any, the section stays as the page has it."""
    made = tuple(step for step in group.steps if _is_made(step, runs))
    if any(isinstance(step, Experiment) for step in made):
        compared = group.compared if len(made) == len(group.steps) else None
        return [f"### {group.title}", *_side_by_side(replace(group, steps=made, compared=compared), page, runs)]
    return kept_section(page, group.title)


def kept_section(page: str, title: str) -> list[str]:
    """The section with a title as the page has it; empty where it has none."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    return [f"### {section.strip()}" for section in text.split("### ") if section.startswith(f"{title}\n")]


def _is_made(step: Experiment | Material, runs: Path) -> bool:
    """Whether the results of a step are there."""
    if isinstance(step, Material):
        return _judged_path(runs, step).exists() if step.judged else (runs / step.name).exists()
    return (runs / step.name / "audit.json").exists()


def _read(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def _side_by_side(group: Group, page: str, runs: Path) -> list[str]:
    """The parts of a group: table of its runs, scores, comparison, audits, and the commands."""
    experiments = [step for step in group.steps if isinstance(step, Experiment)]
    materials = [step for step in group.steps if isinstance(step, Material)]
    parts = [_group_table(group, experiments, runs)] if experiments else []
    scored = [step for step in materials if step.judged == "score"]
    parts += [_scores([(step.what, _read(_judged_path(runs, step))) for step in scored])] if scored else []
    if group.compared:
        comparison = _read(_comparison_path(runs, group.compared))["comparisons"][0]
        parts.append(_difference(experiments, group.compared, comparison))
    for step in materials:
        if step.judged == "audit":
            findings = _read(_judged_path(runs, step))["findings"]
            parts.append("\n".join([f"`shoptalk audit --alpaca` of {step.what}:", "", *map(_finding_line, findings)]))
    for step in experiments:
        findings = _read(runs / step.name / "audit.json")["findings"]
        failures = "; ".join(
            f"{finding['check'].replace('_', ' ')} ({finding['says']})"
            for finding in findings
            if finding["severity"] == "fail"
        )
        parts.append(f"`shoptalk audit --run` of *{step.what}*: {failures or 'no fail'}.")
    for step in experiments:
        if step.name in group.analysed:
            parts.append(error_section(step.what, _read(runs / step.name / "metrics.json")["errors"]))
    return [*parts, "```bash\n" + "\n".join(_commands(group, Path("runs") / page)) + "\n```"]


def _group_table(group: Group, experiments: list[Experiment], runs: Path) -> str:
    """A table with one row for each run and for each baseline of the first run."""
    metrics = [_read(runs / step.name / "metrics.json") for step in experiments]
    names = [column.removeprefix("title_").replace("_", " ") for column in group.columns]
    lines = [f"| | {' | '.join(names)} | users |", "|---" * (len(names) + 2) + "|"]
    rows = [(step.what, content["metrics"]) for step, content in zip(experiments, metrics, strict=True)]
    rows += [(name.replace("_", " "), values) for name, values in metrics[0]["baselines"].items()]
    for what, values in rows:
        cells = [_cell(values.get(column)) for column in group.columns]
        users = max(values[column]["n"] for column in group.columns if column in values)
        lines.append(f"| {what} | {' | '.join(cells)} | {users:,} |")
    return "\n".join(lines)


def _commands(group: Group, runs: Path) -> list[str]:
    """All commands of a group, in order."""
    lines = []
    for step in group.steps:
        judge = step.judge(runs) if isinstance(step, Material) and step.judged else []
        lines += [shlex.join(command) for command in (step.command(runs), judge) if command]
    return [*lines, *([shlex.join(group.compare(runs))] if group.compared else [])]


def _difference(experiments: list[Experiment], names: tuple[str, str], comparison: dict[str, Any]) -> str:
    """The paired difference of two runs over the same users."""
    first, second = (step.what for name in names for step in experiments if step.name == name)
    difference, low, high = (comparison[key] for key in ("difference", "low", "high"))
    return (
        f"`shoptalk compare`: *{first}* minus *{second}*, {comparison['metric']}: {difference:+.4f} "
        f"[{low:+.4f}, {high:+.4f}], {show_p(comparison['p_holm'])}, {comparison['n']:,} users."
    )


def _cell(row: dict[str, Any] | None) -> str:
    """A value with its interval; empty for a metric that is missing."""
    if row is None or row["value"] is None:
        return ""
    return f"{row['value']:.4f}" + ("" if row["low"] is None else f" [{row['low']:.4f}, {row['high']:.4f}]")


def _scores(judged: list[tuple[str, dict[str, Any]]]) -> str:
    """Metrics over the rows with a truth, as system D reports them, and over all rows, where others are misses."""
    names = [f"{name}@10" for name in ("precision", "recall", "hr", "mrr", "ndcg")]
    lines = [f"| | {' | '.join(names)} | rows |", "|---" * (len(names) + 2) + "|"]
    for what, scores in judged:
        with_truth, total = scores["users"], scores["users"] + scores["without_truth"]
        for rows, share in ((with_truth, 1.0), (total, with_truth / total)):
            label = "rows with a truth" if rows == with_truth else "all rows"
            values = " | ".join(f"{scores[name] * share:.4f}" for name in names)
            lines.append(f"| {what}, {label} | {values} | {rows:,} |")
    return "\n".join(lines)


def _table(metrics: dict[str, Any]) -> str:
    """The metrics of one run as a table."""
    rows = [(name.replace("_", " "), metrics["metrics"][name]) for name in SHOWN if name in metrics["metrics"]]
    lines = [
        f"| {name} | {row['value']:.4f} | {_interval(row)} | {row['n']:,} |"
        for name, row in rows
        if row["value"] is not None
    ]
    return "\n".join(["| metric | value | 95 % interval | users |", "|---|---|---|---|", *lines])


def _interval(row: dict[str, Any]) -> str:
    """The interval of an estimate; empty without one."""
    return "" if row["low"] is None else f"{row['low']:.4f} to {row['high']:.4f}"


def _baselines(metrics: dict[str, Any]) -> str:
    """The baselines of a run in one sentence, the best first."""
    metric = next((name for name in BASELINE_METRICS if name in metrics["metrics"]), None)
    values = {name: row[metric]["value"] for name, row in metrics["baselines"].items() if metric in row}
    names = sorted(values, key=lambda name: -values[name])
    listed = ", ".join(f"{name.replace('_', ' ')} {values[name]:.4f}" for name in names)
    return f"Simple methods by {metric}: {listed}." if metric and listed else ""


def _findings(audit: dict[str, Any]) -> str:
    """The findings of severity ``fail`` or ``warn`` as a list."""
    problems = [finding for finding in audit["findings"] if finding["severity"] != "info"]
    return "\n".join(["The audit says:", "", *map(_finding_line, problems)]) if problems else "The audit finds nothing."


def _finding_line(finding: dict[str, Any]) -> str:
    """A finding as one item of a list."""
    return f"- **{finding['severity']}**, {finding['check'].replace('_', ' ')}: {finding['says']}"


def rewrite(page: str, block: str, begin: str = BEGIN, end: str = END) -> None:
    """Replace the block between two marks of a page."""
    path = PAGES / f"{page}.md"
    text = path.read_text(encoding="utf-8")
    before, after = text.split(begin)[0], text.split(end)[1]
    write_text(path, f"{before}{begin}\n{block}\n{end}{after}")


def compare_graphs(shop: str, runs: Path, seconds: float) -> None:
    """Make the missing rows of the comparison of graph attention in one shop, and rewrite its blocks of the page."""
    folder = runs / f"graph-{shop}"
    folder.mkdir(parents=True, exist_ok=True)
    if seconds:
        graph_forms.make(shop, folder, seconds, time.monotonic)
    rewrite(GRAPH_PAGE, graph_forms.tables(shop, folder), f"<!-- graph {shop} -->", f"<!-- end of graph {shop} -->")
    if shop == SUMMED_UP:
        rewrite(GRAPH_PAGE, graph_forms.summary(shop, folder), "<!-- summary -->", "<!-- end of summary -->")


def main() -> None:
    """Make the missing runs of the pages, and rewrite the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="+", choices=sorted({*EXPERIMENTS, *GROUPS}))
    parser.add_argument("--runs", type=Path, help="folder of one page's runs; runs/PAGE by default")
    parser.add_argument("--group", help="only the group with this number, from 1, or this name, of one page")
    parser.add_argument("--only-write", action="store_true", help="run nothing")
    parser.add_argument("--graph", choices=sorted(graph_forms.SHOPS), help="b: only the comparison of graph attention")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="--graph: begin no row after this time")
    arguments = parser.parse_args()
    if arguments.runs and len(arguments.pages) > 1:
        parser.error("--runs names the runs of one page")
    if arguments.group is not None and not chosen_groups(arguments.pages[0], arguments.group):
        groups = [group.name or str(number) for number, group in enumerate(GROUPS.get(arguments.pages[0], ()), start=1)]
        parser.error(f"--group: page {arguments.pages[0]} has {', '.join(groups) or 'no groups'}")
    if arguments.graph:
        if arguments.pages != [GRAPH_PAGE]:
            parser.error("--graph belongs to page b alone")
        runs = (arguments.runs or ROOT / "runs" / GRAPH_PAGE).absolute()
        compare_graphs(arguments.graph, runs, 0 if arguments.only_write else arguments.seconds)
        return
    for page in arguments.pages:
        runs = (arguments.runs or ROOT / "runs" / page).absolute()
        if not arguments.only_write:
            run_missing(page, runs, arguments.group)
        rewrite(page, figures(page, runs))
        if page == GRAPH_PAGE:
            compare_graphs(SUMMED_UP, runs, 0 if arguments.only_write else arguments.seconds)


if __name__ == "__main__":
    main()
