"""``shoptalk export``: export the examples of a run."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from shoptalk.cli.evaluate import RunPath
from shoptalk.cli.options import Json, print_json


def command(
    run: RunPath,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write.")],
    form: Annotated[
        Literal["csv", "alpaca", "chat"],
        typer.Option("--format", help="csv: prompt and output; alpaca: instruction, input, output; chat: messages."),
    ] = "alpaca",
    part: Annotated[
        Literal["train", "validation", "test"], typer.Option("--part", help="Which part of the split.")
    ] = "train",
    as_json: Json = False,
) -> None:
    """Write the examples of a run, with the prompts that the model was trained on, for other tools.

    Example: `shoptalk export run --format alpaca --part train --out train.json`
    """
    from shoptalk.stages.export import export

    count = export(run, part, form, out)
    if as_json:
        print_json({"file": str(out), "examples": count})
    else:
        print(f"{count:,} examples in {out}")
