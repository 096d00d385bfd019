"""Options that several commands share, and how commands print."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shoptalk.files import without_nan

if TYPE_CHECKING:  # pydantic would slow down every command
    from shoptalk.recipe import Recipe

RecipePath = Annotated[Path, typer.Argument(metavar="RECIPE", help="The experiment, a TOML file (see recipes/).")]
Set = Annotated[
    list[str], typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one setting of the recipe; repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of everything random; the recipe's by default.")]


def print_json(content: dict[str, Any]) -> None:
    """Print the one JSON object of a ``--json`` command on standard output."""
    print(json.dumps(without_nan(content), ensure_ascii=False, allow_nan=False))


def leave_sweep_aside(recipe: "Recipe") -> "Recipe":
    """The recipe without its section ``[sweep]``, and a word about that on standard error."""
    if recipe.sweep is None:
        return recipe
    print("the section [sweep] is left aside here; shoptalk sweep tries what it says", file=sys.stderr)
    return recipe.model_copy(update={"sweep": None})
