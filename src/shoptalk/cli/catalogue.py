"""``shoptalk catalogue``: a trained run's products."""

from pathlib import Path
from typing import Annotated

import typer

from shoptalk.cli.evaluate import RunPath
from shoptalk.cli.options import Json, print_json

app = typer.Typer(help="Change the products that a trained run recommends.", no_args_is_help=True)


@app.callback()
def catalogue() -> None:
    """Change the products that a trained run recommends."""


@app.command(name="add", no_args_is_help=True)
def add(
    run: RunPath,
    items: Annotated[
        Path, typer.Argument(metavar="ITEMS", help="Parquet, CSV or JSON lines with item_id, title, brand ...")
    ],
    as_json: Json = False,
) -> None:
    """Make new products recommendable without training again: their words place them among the others.

    Example: `shoptalk catalogue add runs/beauty new-products.csv`
    """
    from shoptalk.stages.catalogue import add_items

    report = add_items(Path(run), items)
    if as_json:
        print_json(report)
    else:
        print(f"added {report['added']:,} products, {report['known']:,} were known; there are {report['items']:,} now")
