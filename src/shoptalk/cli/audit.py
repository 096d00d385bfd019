"""``shoptalk audit``: what would make numbers lie."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shoptalk.cli.options import Json, print_json

if TYPE_CHECKING:  # numpy would slow down every command
    from shoptalk.results import AuditResult

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
    from shoptalk.results import as_json as to_json
    from shoptalk.stages.audit import audit_anything

    with show_progress() as progress:
        result = audit_anything(dataset, run, candidates, alpaca, progress, seed=seed)
        if run is not None:
            write_report(run)
    if as_json:
        print_json(to_json(result))
    else:
        show_findings(result)
    if not result.clean:
        raise typer.Exit(FOUND)


def show_findings(result: "AuditResult") -> None:
    """Print the findings, the worst first."""
    from rich.console import Console

    console = Console(highlight=False)
    for finding in result.findings:
        mark, style = _MARKS[finding.severity]
        size = finding.size
        span = f"  [{size.low:.4f}, {size.high:.4f}], n = {size.n:,}" if size.has_interval else ""
        console.print(f"{mark} {finding.severity:4}  {finding.check}{span}", style=style, markup=False)
        console.print(f"        {finding.says}", markup=False, soft_wrap=True)
        if finding.severity != "info":
            for name, words in (("example", finding.example), ("do", finding.do)):
                if words:
                    console.print(f"        {name}: {words}", markup=False, soft_wrap=True)
    counts = {severity: sum(one.severity == severity for one in result.findings) for severity in _MARKS}
    verdict = "clean" if result.clean else "NOT clean: something here would change a conclusion"
    console.print(f"{verdict} ({counts['fail']} fail, {counts['warn']} warn, {counts['info']} looked at and fine)")
