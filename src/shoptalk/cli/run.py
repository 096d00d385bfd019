"""``shoptalk run``: the whole experiment."""

from pathlib import Path
from typing import Annotated

import typer

from shoptalk.cli.options import Json, RecipePath, Seed, Set, print_json, without_sweep


def command(
    recipe: RecipePath,
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="Folder of the run; new or empty.")],
    resume: Annotated[bool, typer.Option("--resume", help="Resume an interrupted run.")] = False,
    settings: Set = [],  # noqa: B006  (typer copies it)
    as_json: Json = False,
    seed: Seed = None,
) -> None:
    """Run a whole experiment: prepare, train, evaluate and write the report.

    Example: `shoptalk run recipes/beauty-options.toml --out runs/beauty`
    """
    from shoptalk.cli.show import show_evaluation
    from shoptalk.experiment import run
    from shoptalk.progress_bars import progress_bars
    from shoptalk.results import as_json as to_json
    from shoptalk.tasks import load_recipe

    with progress_bars() as progress:
        _, result = run(without_sweep(load_recipe(recipe, settings, seed)), out, progress, resume=resume)
    if as_json:
        print_json(to_json(result))
        return
    show_evaluation(result.evaluation)
    print(f"report: {out / 'report.html'}; next: shoptalk recommend {out} --user ID")
