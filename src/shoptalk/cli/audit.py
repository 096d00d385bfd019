"""``shoptalk audit``: data leaks, shortcuts and other flaws of an evaluation."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shoptalk.cli.options import Json, print_json

if TYPE_CHECKING:  # numpy would slow down every command
    from rich.console import Console

    from shoptalk.results import AuditResult

FAILED, INCONCLUSIVE = 3, 4
#: What the answers of benchmark rows are.
_ANSWERS = {"labels": "labels such as yes and no:", "options": "one of several options:", "items": "items or texts:"}
_MARKS = {"fail": ("✗", "bold red"), "warn": ("!", "yellow"), "info": ("✓", "green")}


def command(
    dataset: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATASET|FILE]", help="Folder that shoptalk prepare wrote, or a file of another system."
        ),
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", metavar="RUN", help="A run on this dataset; its results are audited too.")
    ] = None,
    train: Annotated[
        list[Path] | None,
        typer.Option("--train", metavar="FILE", help="A file of another system with training rows. Repeatable."),
    ] = None,
    test: Annotated[
        list[Path] | None,
        typer.Option("--test", metavar="FILE", help="A file of another system with test rows. Repeatable."),
    ] = None,
    candidates: Annotated[
        list[Path] | None,
        typer.Option(
            "--candidates", metavar="FILE", help="A multiple-choice file: JSON lines with history, options and answer."
        ),
    ] = None,
    alpaca: Annotated[
        list[Path] | None,
        typer.Option("--alpaca", metavar="FILE", help="A file of rows with instruction, input and output."),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option("--tokenizer", metavar="MODEL", help="Model whose tokenizer counts the tokens of the rows."),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", metavar="N", min=1, help="Length in tokens at which rows are cut."),
    ] = None,
    as_json: Json = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the random samples.")] = 1,
) -> None:
    """Check a dataset, a run or files of another system for leaks and shortcuts.

    Exit code 0: no failure, 3: at least one failure, 4: too little of a file could be checked.

    Example: `shoptalk audit runs/beauty/dataset --run runs/beauty`

    Example: `shoptalk audit --train train.json --test test.json`
    """
    from shoptalk.progress_bars import progress_bars
    from shoptalk.results import as_json as to_json
    from shoptalk.stages.audit import audit_anything
    from shoptalk.stages.audit_files import BenchmarkFiles

    files = BenchmarkFiles(
        train=tuple(train or ()),
        test=tuple(test or ()),
        candidates=tuple(candidates or ()),
        alpaca=tuple(alpaca or ()),
        tokenizer=tokenizer,
        max_tokens=max_tokens,
    )
    with progress_bars() as progress:
        result = audit_anything(dataset, run, files, progress, seed=seed)
        if run is not None:
            from shoptalk.report.page import write_report

            write_report(run)
    if as_json:
        print_json(to_json(result))
    else:
        show_findings(result)
    if result.conclusive is False:
        raise typer.Exit(INCONCLUSIVE)
    if not result.clean:
        raise typer.Exit(FAILED)


def show_findings(result: "AuditResult") -> None:
    """Print the findings, the most severe first."""
    from rich.console import Console

    console = Console(highlight=False)
    _show_files(result, console)
    for finding in result.findings:
        mark, style = _MARKS[finding.severity]
        size = finding.size
        span = f"  [{size.low:.4f}, {size.high:.4f}], n = {size.n:,}" if size.has_interval else ""
        console.print(f"{mark} {finding.severity:4}  {finding.check}{span}", style=style, markup=False)
        console.print(f"        {finding.says}", markup=False, soft_wrap=True)
        if finding.severity != "info":
            for name, text in (("example", finding.example), ("recommendation", finding.do)):
                if text:
                    console.print(f"        {name}: {text}", markup=False, soft_wrap=True)
    counts = {severity: sum(finding.severity == severity for finding in result.findings) for severity in _MARKS}
    for missing in result.not_checked or ():
        console.print(f"- not checked: {missing.check}", style="bold", markup=False)
        console.print(
            f"        {missing.why}" + (f" ({missing.do})" if missing.do else ""), markup=False, soft_wrap=True
        )
    if result.conclusive is False:
        verdict = "NO CONCLUSION: too little could be checked"
    else:
        verdict = "clean" if result.clean else "NOT clean: the results are not reliable"
    unchecked = "" if result.not_checked is None else f", {len(result.not_checked)} not checked"
    summary = f"{verdict} ({counts['fail']} fail, {counts['warn']} warn, {counts['info']} passed{unchecked})"
    console.print(summary, soft_wrap=True)


def _show_files(result: "AuditResult", console: "Console") -> None:
    """Print the benchmark files as they were understood."""
    for file in result.files or ():
        part = "" if file.part == "unknown" else f", {file.part}"
        console.print(f"{file.path}: {file.rows:,} rows, {file.format}{part}", markup=False, soft_wrap=True)
    counts = [f"{_ANSWERS[name]} {count:,}" for name, count in (result.contents or {}).items()]
    if counts:
        console.print(f"answers: {', '.join(counts)}", markup=False, soft_wrap=True)
