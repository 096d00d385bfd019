"""``shoptalk evaluate``: metrics of a run and of its baselines."""

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
    """Evaluate a run on its test cases: metrics with intervals, history permutation, baselines, HTML report.

    `--set` can only change the section evaluation. `--seed` is the seed of the intervals and of the permutation.

    Example: `shoptalk evaluate run --set evaluation.scoring=mean --json`
    """
    from shoptalk.cli.show import show_evaluation
    from shoptalk.experiment import evaluate
    from shoptalk.progress_bars import progress_bars
    from shoptalk.results import as_json as to_json

    with progress_bars() as progress:
        result = evaluate(run, progress, settings=settings, seed=seed)
    if as_json:
        print_json(to_json(result))
        return
    show_evaluation(result.evaluation)
    print(f"report: {run / 'report.html'}")
