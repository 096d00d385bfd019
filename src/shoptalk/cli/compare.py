"""``shoptalk compare``: compare runs, with significance tests."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shoptalk.cli.options import Json, print_json

if TYPE_CHECKING:  # numpy would slow down every command
    from shoptalk.results import ComparisonResult, SeededEstimate


def command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of runs, trained and evaluated.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.html", help="Write an HTML report of the comparison.")
    ] = None,
    as_json: Json = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the significance tests.")] = 1,
) -> None:
    """Compare runs on the same test users: paired tests, effect sizes and cost. Seeds of the same recipe are averaged.

    All runs must have the same dataset, split and candidates.

    Example: `shoptalk compare runs/small-1 runs/small-2 runs/large-1 runs/large-2 --out compared.html`
    """
    from shoptalk.report.comparison import write_comparison
    from shoptalk.results import as_json as to_json
    from shoptalk.stages.compare import compare

    result = compare(runs, seed=seed)
    if out is not None:
        write_comparison(result, out)
    if as_json:
        print_json(to_json(result))
    else:
        _show(result)
        if out is not None:
            print(f"report: {out}")


def _show(result: "ComparisonResult") -> None:
    """Print verdict, metrics, differences and costs."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from shoptalk.report.comparison import COSTS, bare_p, by_metric, number, show_cost, show_more, signed
    from shoptalk.report.names import metric_label

    console = Console()
    console.print(result.verdict, style="bold", markup=False, highlight=False)
    for warning in result.warnings:
        console.print(f"warning: {warning}", style="bold yellow", markup=False)
    title = f"{result.users:,} test users"
    table = Table("recipe", "seeds", *map(metric_label, result.metrics), title=title, title_justify="left")
    for group in result.groups:
        values = [_value(group.metrics[metric]) for metric in result.metrics]
        table.add_row(escape(group.name), ", ".join(map(str, group.seeds)), *values)
    console.print(table)
    if result.comparisons:
        columns = ("difference", "95 % interval", "p (Holm)", "d_z", "better/worse/equal", "more users")
        table = Table("pair", *columns, title="paired differences, first minus second", title_justify="left")
        for metric, rows in by_metric(result).items():
            table.add_section()
            table.add_row(f"[bold]{metric_label(metric)}[/bold]")
            for row in rows:
                fractions = "/".join(number(fraction, 2) for fraction in (row.wins, row.losses, row.ties))
                span = f"{signed(row.low)} to {signed(row.high)}"
                table.add_row(
                    escape(f"{row.one} − {row.other}"),
                    signed(row.difference),
                    span,
                    bare_p(row.p_holm),
                    signed(row.effect, 3),
                    fractions,
                    show_more(row),
                )
        console.print(table)
    table = Table("recipe", *COSTS.values(), title="cost of one run", title_justify="left")
    for group in result.groups:
        table.add_row(escape(group.name), *(show_cost(name, group.cost) for name in COSTS))
    console.print(table)


def _value(estimate: "SeededEstimate") -> str:
    """A metric, with the standard deviation over seeds if there are several."""
    from shoptalk.report.comparison import number

    return number(estimate.value) + (f" ± {number(estimate.spread)}" if estimate.spread is not None else "")
