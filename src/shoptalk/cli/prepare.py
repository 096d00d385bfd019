"""``shoptalk prepare``: raw files -> dataset folder."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from shoptalk.cli.options import Json, RecipePath, Seed, Set, leave_sweep_aside, print_json


def command(
    recipe: RecipePath,
    out: Annotated[Path, typer.Option("--out", metavar="DATASET", help="Folder to write; an older one is replaced.")],
    settings: Set = [],  # noqa: B006  (typer copies it)
    as_json: Json = False,
    seed: Seed = None,
) -> None:
    """Read, clean, filter and split purchases, draw the options, and write a dataset folder.

    Says what was dropped and why. Nothing but an older dataset is ever replaced, and only by a complete one.

    Example: `shoptalk prepare recipes/gift-cards.toml --out gift-cards --set data.min_history=4`
    """
    from shoptalk.data.prepare import prepare
    from shoptalk.tasks import load_recipe

    report = prepare(leave_sweep_aside(load_recipe(recipe, settings, seed)), out, progress=_say)
    if as_json:
        print_json(report)
    else:
        _show(report)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _show(report: dict[str, Any]) -> None:
    """A table of what was read, dropped and kept, then what to be careful about."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"dataset {report['dataset']}", title_justify="left")
    table.add_column("")
    table.add_column("what")
    table.add_column("how many", justify="right")
    for part in ("read", "dropped", "kept", "cases"):
        for at, (name, count) in enumerate(report[part].items()):
            table.add_row(part if at == 0 else "", name.replace("_", " "), f"{count:,}")
        table.add_section()
    console = Console()
    console.print(table)
    for warning in report["warnings"]:
        console.print(f"warning: {warning}", style="bold yellow", markup=False)
    cost = f"{report['seconds']:.1f} s, {report['peak_memory_bytes'] / 1e6:,.0f} MB"
    console.print(f"{cost}, fingerprint {report['fingerprint'][:12]}", highlight=False)
