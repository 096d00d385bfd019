"""``shoptalk catalogue``: the catalogue of a trained run."""

from pathlib import Path
from typing import Annotated

import typer

from shoptalk.cli.evaluate import RunPath
from shoptalk.cli.options import Json, print_json

app = typer.Typer(help="Change the catalogue of a trained run.", no_args_is_help=True)


@app.callback()
def catalogue() -> None:
    """Change the catalogue of a trained run."""


@app.command(name="add", no_args_is_help=True)
def add(
    run: RunPath,
    items: Annotated[
        Path,
        typer.Argument(metavar="ITEMS", help="Parquet, CSV or JSON lines with the columns item_id, title, brand ..."),
    ],
    as_json: Json = False,
) -> None:
    """Add cold-start products without training again; they are represented by their text.

    Example: `shoptalk catalogue add runs/beauty new-products.csv`
    """
    from shoptalk.stages.catalogue import add_items

    counts = add_items(Path(run), items)
    if as_json:
        print_json(counts)
    else:
        print(
            f"added {counts['added']:,} products; {counts['known']:,} were already in the catalogue, "
            f"which now has {counts['items']:,}"
        )
