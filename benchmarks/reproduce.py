"""The four published systems, run again: every figure of ``docs/reproductions/`` is written by this command.

    python benchmarks/reproduce.py a --runs runs/a          # runs what is missing in runs/a, then rewrites the page
    python benchmarks/reproduce.py a b c d --only-write     # only rewrites pages, from runs that are there

A page has a block between two marks; what stands there comes from the runs' ``metrics.json`` and ``audit.json``, and
from what ``shoptalk audit`` and ``shoptalk score`` print of files that are made beside them
(``benchmarks/reproductions/steps.py``).
"""

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from reproductions.steps import EXPERIMENTS, GROUPS, Experiment, Group, Material
from shoptalk.files import write_text
from shoptalk.report.names import show_p

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reproductions"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
#: Metrics of a table, where a run has them.
SHOWN = ("accuracy", "swapped_accuracy", "personalisation_gap", "recall@10", "ndcg@10", "precision@10", "hr@10",
         "mrr@10", "swapped_recall@10", "repeat_share", "echo_share", "invalid_share", "title_exact_match",
         "title_invalid_share")  # fmt: skip
#: By what simple methods are told, the first that a run has.
BY = ("accuracy", "recall@10")


def run_missing(page: str, runs: Path) -> None:
    """Run and make what is missing; what was broken off goes on."""
    groups = (step for group in GROUPS.get(page, ()) for step in group.steps)
    for step in (*EXPERIMENTS.get(page, ()), *groups):
        command, made = step.command(runs), runs / step.name
        if isinstance(step, Material):
            if not made.exists():
                _do(command)
            if step.judged:
                write_text(_judged(runs, step), _do([*step.judge(runs), "--json"], may=(0, 3)))
        elif not (made / "audit.json").exists():  # the last of a run but its page
            resume = command[0] == "shoptalk" and (made / "run.json").exists()
            _do([*command, *(["--resume"] if resume else [])])
    for group in GROUPS.get(page, ()):
        if group.compared:
            write_text(_compared(runs, group.compared), _do([*group.compare(runs), "--json"]))


def _do(command: list[str], may: tuple[int, ...] = (0,)) -> str:
    """What a command prints; it must end with one of the exit codes."""
    program, *rest = command
    typed = [sys.executable, *(["-m", "shoptalk.cli.main"] if program == "shoptalk" else []), *rest]
    done = subprocess.run(typed, check=False, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode not in may:
        raise subprocess.CalledProcessError(done.returncode, typed)
    return done.stdout


def _judged(runs: Path, step: Material) -> Path:
    return runs / f"{step.name}.{step.judged}.json"


def _compared(runs: Path, names: tuple[str, str]) -> Path:
    return runs / f"{'-against-'.join(names)}.compare.json"


def figures(page: str, runs: Path) -> str:
    """The page's block: a table for each run with simple methods and the audit, or runs of one exam side by side."""
    parts = [f"Written by `python benchmarks/reproduce.py {page}`."]
    for experiment in EXPERIMENTS.get(page, ()):
        metrics, audit = (_read(runs / experiment.name / name) for name in ("metrics.json", "audit.json"))
        shown = shlex.join(experiment.command(Path("runs") / page))
        parts += [f"### {experiment.what[0].upper()}{experiment.what[1:]}", f"`{shown}`"]
        parts += [_table(metrics), _simple(metrics), _findings(audit)]
    for group in GROUPS.get(page, ()):
        parts += [f"### {group.title}", *_side_by_side(group, page, runs)]
    return "\n\n".join(part for part in parts if part)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _side_by_side(group: Group, page: str, runs: Path) -> list[str]:
    """A table of the runs and of the simple methods of the first, what the files and audits say, the commands."""
    there = [step for step in group.steps if isinstance(step, Experiment)]
    metrics = [_read(runs / step.name / "metrics.json") for step in there]
    names = [column.removeprefix("title_").replace("_", " ") for column in group.columns]
    lines = [f"| | {' | '.join(names)} | users |", "|---" * (len(names) + 2) + "|"]
    rows = [(step.what, own["metrics"]) for step, own in zip(there, metrics, strict=True)]
    rows += [(name.replace("_", " "), own) for name, own in metrics[0]["baselines"].items()] if metrics else []
    for what, own in rows:
        cells = [_cell(own.get(column)) for column in group.columns]
        lines.append(f"| {what} | {' | '.join(cells)} | {max(own[c]['n'] for c in group.columns if c in own):,} |")
    parts = ["\n".join(lines)] if there else []
    scored = [step for step in group.steps if isinstance(step, Material) and step.judged == "score"]
    parts += [_scores([(step.what, _read(_judged(runs, step))) for step in scored])] if scored else []
    if group.compared:
        parts.append(_versus(there, group.compared, _read(_compared(runs, group.compared))["comparisons"][0]))
    for step in group.steps:
        if isinstance(step, Material) and step.judged == "audit":
            found = _read(_judged(runs, step))["findings"]
            parts.append("\n".join([f"`shoptalk audit --alpaca` of {step.what}:", "", *map(_line, found)]))
    for step in there:
        bad = [one for one in _read(runs / step.name / "audit.json")["findings"] if one["severity"] == "fail"]
        stated = "; ".join(f"{one['check'].replace('_', ' ')} ({one['says']})" for one in bad)
        parts.append(f"`shoptalk audit --run` of *{step.what}*: {stated or 'no fail'}.")
    return [*parts, "```bash\n" + "\n".join(_typed(group, Path("runs") / page)) + "\n```"]


def _typed(group: Group, runs: Path) -> list[str]:
    """All commands of a group, in order."""
    lines = []
    for step in group.steps:
        judge = step.judge(runs) if isinstance(step, Material) and step.judged else []
        lines += [shlex.join(command) for command in (step.command(runs), judge) if command]
    return [*lines, *([shlex.join(group.compare(runs))] if group.compared else [])]


def _versus(there: list[Experiment], names: tuple[str, str], found: dict[str, Any]) -> str:
    """The paired difference of two runs over the same users."""
    one, other = (step.what for name in names for step in there if step.name == name)
    return (
        f"`shoptalk compare`: *{one}* minus *{other}*, {found['metric']}: {found['difference']:+.4f} "
        f"[{found['low']:+.4f}, {found['high']:+.4f}], {show_p(found['p_holm'])}, {found['n']:,} users."
    )


def _cell(row: dict[str, Any] | None) -> str:
    if row is None or row["value"] is None:
        return ""
    return f"{row['value']:.4f}" + ("" if row["low"] is None else f" [{row['low']:.4f}, {row['high']:.4f}]")


def _scores(judged: list[tuple[str, dict[str, Any]]]) -> str:
    """Predictions as system D counts them, and with the rows that have no truth as misses."""
    names = [f"{name}@10" for name in ("precision", "recall", "hr", "mrr", "ndcg")]
    lines = [f"| | {' | '.join(names)} | rows |", "|---" * (len(names) + 2) + "|"]
    for what, own in judged:
        known, whole = own["users"], own["users"] + own["without_truth"]
        for rows, share in ((known, 1.0), (whole, known / whole)):
            stated = "rows with a truth" if rows == known else "all rows"
            values = " | ".join(f"{own[name] * share:.4f}" for name in names)
            lines.append(f"| {what}, {stated} | {values} | {rows:,} |")
    return "\n".join(lines)


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
    stated = ", ".join(
        f"{name.replace('_', ' ')} {able[name]:.4f}" for name in sorted(able, key=lambda name: -able[name])
    )
    return f"Simple methods by {by}: {stated}." if by and stated else ""


def _findings(audit: dict[str, Any]) -> str:
    bad = [finding for finding in audit["findings"] if finding["severity"] != "info"]
    return "\n".join(["The audit says:", "", *map(_line, bad)]) if bad else "The audit finds nothing."


def _line(finding: dict[str, Any]) -> str:
    return f"- **{finding['severity']}**, {finding['check'].replace('_', ' ')}: {finding['says']}"


def rewrite(page: str, block: str) -> None:
    """Put the block between the marks of a page."""
    path = PAGES / f"{page}.md"
    text = path.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    write_text(path, f"{before}{BEGIN}\n{block}\n{END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="+", choices=sorted({*EXPERIMENTS, *GROUPS}))
    parser.add_argument("--runs", type=Path, help="folder of one page's runs; runs/PAGE by default")
    parser.add_argument("--only-write", action="store_true", help="run nothing")
    given = parser.parse_args()
    if given.runs and len(given.pages) > 1:
        parser.error("--runs names the runs of one page")
    for page in given.pages:
        runs = (given.runs or ROOT / "runs" / page).absolute()
        if not given.only_write:
            run_missing(page, runs)
        rewrite(page, figures(page, runs))


if __name__ == "__main__":
    main()
