"""``shoptalk demo``: the main job on a generated shop."""

from pathlib import Path
from typing import Annotated

import typer

from shoptalk.cli.options import Json


def command(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder for the shop and the run.")] = Path("demo"),
    as_json: Json = False,
) -> None:
    """Generate a shop, prepare it, fine-tune a small model, judge it, and recommend; a few minutes on two cores."""
