"""Options that several commands share, and how commands print."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from shoptalk.files import without_nan

RecipePath = Annotated[Path, typer.Argument(metavar="RECIPE", help="The experiment, a TOML file (see recipes/).")]
Set = Annotated[
    list[str], typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one setting of the recipe; repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of everything random; the recipe's by default.")]


def print_json(content: dict[str, Any]) -> None:
    """Print the one JSON object of a ``--json`` command on standard output."""
    print(json.dumps(without_nan(content), ensure_ascii=False, allow_nan=False))
