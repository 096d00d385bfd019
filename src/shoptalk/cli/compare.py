"""``shoptalk compare``: which of several runs is better, and whether it is surely so."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shoptalk.cli.options import Json, print_json

if TYPE_CHECKING:  # numpy would slow down every command
    from shoptalk.results import ComparisonResult


def command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of runs, trained and evaluated.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.html", help="Write the page of the comparison.")
    ] = None,
    as_json: Json = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the tests over users.")] = 1,
) -> None:
    """Compare runs on the same test users: paired tests, effect sizes, several seeds of a recipe together, and cost.

    Runs on other data, with another split or other candidates are refused.

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
            print(f"page: {out}")


def _show(result: "ComparisonResult") -> None:
    """Print the verdict, the metrics, the differences and the costs."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from shoptalk.report.comparison import COSTS, bare_p, by_metric, number, show_cost, show_more, signed
    from shoptalk.report.names import metric_label

    console = Console()
    console.print(result.verdict, style="bold", markup=False, highlight=False)
    for warning in result.warnings:
        console.print(f"warning: {warning}", style="bold yellow", markup=False)
    table = Table("recipe", "seeds", *map(metric_label, result.metrics), title_justify="left",
                  title=f"{result.users:,} test users")  # fmt: skip
    for group in result.groups:
        own = [group.metrics[metric] for metric in result.metrics]
        values = [number(one.value) + (f" ± {number(one.spread)}" if one.spread is not None else "") for one in own]
        table.add_row(escape(group.name), ", ".join(map(str, group.seeds)), *values)
    console.print(table)
    if result.comparisons:
        table = Table("the first minus the second", "difference", "95 % interval", "p (Holm)", "d_z",
                      "better/worse/equal", "more users", title="differences", title_justify="left")  # fmt: skip
        for metric, rows in by_metric(result).items():
            table.add_section()
            table.add_row(f"[bold]{metric_label(metric)}[/bold]")
            for row in rows:
                fractions = "/".join(number(share, 2) for share in (row.wins, row.losses, row.ties))
                span = f"{signed(row.low)} to {signed(row.high)}"
                table.add_row(escape(f"{row.one} − {row.other}"), signed(row.difference), span,
                              bare_p(row.p_holm), signed(row.effect, 3), fractions, show_more(row))  # fmt: skip
        console.print(table)
    table = Table("recipe", *COSTS.values(), title="cost of one run", title_justify="left")
    for group in result.groups:
        table.add_row(escape(group.name), *(show_cost(name, group.cost) for name in COSTS))
    console.print(table)
