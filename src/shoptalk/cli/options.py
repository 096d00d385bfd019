"""Options that several commands share, and how commands print."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shoptalk.files import without_nan

if TYPE_CHECKING:  # pydantic would slow down every command
    from shoptalk.recipe import Recipe

RecipePath = Annotated[
    Path, typer.Argument(metavar="RECIPE", help="Recipe of the experiment, a TOML file (see recipes/).")
]
Set = Annotated[
    list[str], typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override a setting of the recipe; repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object on standard output.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Random seed; default: the seed of the recipe.")]


def print_json(content: dict[str, Any]) -> None:
    """Print the one JSON object of a ``--json`` command on standard output."""
    print(json.dumps(without_nan(content), ensure_ascii=False, allow_nan=False))


def without_sweep(recipe: "Recipe") -> "Recipe":
    """The recipe without its section ``[sweep]``; prints a note on standard error."""
    if recipe.sweep is None:
        return recipe
    print("the section [sweep] is ignored; use shoptalk sweep to run it", file=sys.stderr)
    return recipe.model_copy(update={"sweep": None})
