"""``shoptalk audit``: what would make numbers lie."""

from pathlib import Path
from typing import Annotated, Any

import typer

from shoptalk.cli.options import Json, print_json

FOUND = 3
_MARKS = {"fail": ("✗", "bold red"), "warn": ("!", "yellow"), "info": ("✓", "green")}


def command(
    dataset: Annotated[
        Path | None, typer.Argument(metavar="[DATASET]", help="Folder that shoptalk prepare wrote.")
    ] = None,
    run: Annotated[Path | None, typer.Option("--run", metavar="RUN", help="A run on it, audited too.")] = None,
    candidates: Annotated[
        Path | None,
        typer.Option("--candidates", metavar="FILE", help="Anybody's exam: JSON lines with history, options, answer."),
    ] = None,
    alpaca: Annotated[
        Path | None,
        typer.Option("--alpaca", metavar="FILE", help="Anybody's rows of instruction, input and output."),
    ] = None,
    as_json: Json = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of what is drawn.")] = 1,
) -> None:
    """Look for leaks and shortcuts: exit 0 when clean, 3 when something would change a conclusion.

    Example: `shoptalk audit runs/beauty/dataset --run runs/beauty`

    Example: `shoptalk audit --candidates exam.jsonl`
    """
    from shoptalk.cli.progress import show_progress
    from shoptalk.report.page import write_report
    from shoptalk.stages.audit import audit_anything

    with show_progress() as progress:
        report = audit_anything(dataset, run, candidates, alpaca, progress, seed=seed)
        if run is not None:
            write_report(run)
    if as_json:
        print_json(report)
    else:
        show_findings(report)
    if not report["clean"]:
        raise typer.Exit(FOUND)


def show_findings(report: dict[str, Any]) -> None:
    """Print the findings, the worst first."""
    from rich.console import Console

    console = Console(highlight=False)
    for finding in report["findings"]:
        mark, style = _MARKS[finding["severity"]]
        span = ""
        if finding["low"] is not None and finding["low"] == finding["low"]:
            span = f"  [{finding['low']:.4f}, {finding['high']:.4f}], n = {finding['n']:,}"
        console.print(f"{mark} {finding['severity']:4}  {finding['check']}{span}", style=style, markup=False)
        console.print(f"        {finding['says']}", markup=False, soft_wrap=True)
        if finding["severity"] != "info":
            for name in ("example", "do"):
                if finding[name]:
                    console.print(f"        {name}: {finding[name]}", markup=False, soft_wrap=True)
    counts = {severity: sum(one["severity"] == severity for one in report["findings"]) for severity in _MARKS}
    said = "clean" if report["clean"] else "NOT clean: something here would change a conclusion"
    console.print(f"{said} ({counts['fail']} fail, {counts['warn']} warn, {counts['info']} looked at and fine)")
