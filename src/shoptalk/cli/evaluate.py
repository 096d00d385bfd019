"""``shoptalk evaluate``: metrics of a run, simple methods beside them."""

from pathlib import Path
from typing import Annotated

import typer

from shoptalk.cli.options import Json, print_json

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that shoptalk train or run wrote.")]


def command(run: RunPath, as_json: Json = False) -> None:
    """Judge a run on its frozen test cases: metrics with intervals, swapped histories, and simple methods.

    Example: `shoptalk evaluate run --json`
    """
    from shoptalk.cli.progress import show_progress
    from shoptalk.cli.show import show_evaluation
    from shoptalk.stages.evaluate import evaluate

    with show_progress() as progress:
        report = evaluate(run, progress)
    if as_json:
        print_json(report)
    else:
        show_evaluation(report)
