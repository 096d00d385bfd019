"""``shoptalk prepare``: raw files -> dataset folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shoptalk.cli.options import Json, RecipePath, Seed, Set, print_json, without_sweep

if TYPE_CHECKING:
    from shoptalk.results import PrepareResult


def command(
    recipe: RecipePath,
    out: Annotated[
        Path, typer.Option("--out", metavar="DATASET", help="Folder to write; an older dataset is replaced.")
    ],
    settings: Set = [],  # noqa: B006  (typer copies it)
    as_json: Json = False,
    seed: Seed = None,
) -> None:
    """Read, clean, filter and split purchases, sample the candidates, and write a dataset folder.

    Reports what was dropped and why. Only an older dataset is replaced, and only by a complete one.

    Example: `shoptalk prepare recipes/gift-cards.toml --out gift-cards --set data.min_history=4`
    """
    from shoptalk.data.prepare import prepare
    from shoptalk.progress_bars import progress_bars
    from shoptalk.results import as_json as to_json
    from shoptalk.tasks import load_recipe

    parsed = without_sweep(load_recipe(recipe, settings, seed))
    with progress_bars() as progress:
        result = prepare(parsed, out, progress)
    if as_json:
        print_json(to_json(result))
    else:
        _show(result)


def _show(result: "PrepareResult") -> None:
    """Print the counts of what was read, dropped and kept, then the warnings."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"dataset {result.dataset}", title_justify="left")
    table.add_column("")
    table.add_column("item")
    table.add_column("count", justify="right")
    parts = {"read": result.read, "dropped": result.dropped, "kept": result.kept, "cases": result.cases}
    for part, counts in parts.items():
        for index, (name, count) in enumerate(counts.items()):
            table.add_row(part if index == 0 else "", name.replace("_", " "), f"{count:,}")
        table.add_section()
    console = Console()
    console.print(table)
    for warning in result.warnings:
        console.print(f"warning: {warning}", style="bold yellow", markup=False)
    cost = f"{result.seconds:.1f} s, {result.peak_memory_bytes / 1e6:,.0f} MB"
    console.print(f"{cost}, fingerprint {result.fingerprint[:12]}", highlight=False)
