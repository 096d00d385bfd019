"""``shoptalk evaluate``: metrics of a run, baselines beside them."""

from pathlib import Path
from typing import Annotated

import typer

from shoptalk.cli.options import Json, Seed, Set, print_json

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that shoptalk train or run wrote.")]


def command(
    run: RunPath,
    settings: Set = [],  # noqa: B006  (typer copies it)
    as_json: Json = False,
    seed: Seed = None,
) -> None:
    """Judge a run on its frozen test cases: metrics with intervals, swapped histories, baselines; a page.

    `--set` changes settings of the section evaluation only, `--seed` that of intervals and swaps.

    Example: `shoptalk evaluate run --set evaluation.scoring=mean --json`
    """
    from shoptalk.cli.progress import show_progress
    from shoptalk.cli.show import show_evaluation
    from shoptalk.results import as_json as to_json
    from shoptalk.stages.judge import judge

    with show_progress() as progress:
        result = judge(run, progress, settings=settings, seed=seed)
    if as_json:
        print_json(to_json(result))
        return
    show_evaluation(result.evaluation)
    print(f"open {run / 'report.html'}")
