"""``shoptalk sweep``: hyperparameter search."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shoptalk.cli.options import Json, RecipePath, Seed, Set, print_json

if TYPE_CHECKING:
    from shoptalk.recipe import Recipe
    from shoptalk.results import SweepResult


def command(
    recipe: RecipePath,
    out: Annotated[Path, typer.Option("--out", metavar="SWEEP", help="Folder of the sweep; new or empty.")],
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, max=256, help="Number of parallel trials; they share the cores.")
    ] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume: finished trials are kept, interrupted ones are repeated.")
    ] = False,
    settings: Set = [],  # noqa: B006  (typer copies it)
    as_json: Json = False,
    seed: Seed = None,
) -> None:
    """Run the trials of a recipe's [sweep] section; evaluate the best one by validation cases on test cases.

    Trials have no access to the test cases.

    Example: `shoptalk sweep recipes/sweep-alpaca-lora.toml --out sweeps/lora --jobs 2`
    """
    from shoptalk.progress_bars import progress_bars
    from shoptalk.results import as_json as to_json
    from shoptalk.stages.sweep import sweep
    from shoptalk.tasks import load_recipe

    parsed = load_recipe(recipe, settings, seed)
    with progress_bars() as progress:
        result = sweep(parsed, out, progress, jobs=jobs, resume=resume)
    if as_json:
        print_json(to_json(result))
        return
    _show(result, parsed)
    print(f"report: {out / 'report.html'} and {result.winner.run}/report.html; recipe: {out / 'winner.toml'}")


def _show(result: "SweepResult", recipe: "Recipe") -> None:
    """Print the trials, the importance of the settings, and the test result of the best trial."""
    from rich.console import Console
    from rich.table import Table

    from shoptalk.report.names import metric_label
    from shoptalk.report.sweep import MAIN, NAMES, label

    console = Console()
    table = Table("trial", "configuration", NAMES[result.metric], "seconds", "state")
    for row in result.trials:
        value = "" if row.value is None else f"{row.value:.4f}"
        seconds = "" if row.seconds is None else f"{row.seconds:.1f}"
        is_winner = row.number == result.winner.number
        state = "winner" if is_winner else row.state + (f": {row.says}" if row.says else "")
        cells = (label(row.settings, recipe), value, seconds, state)
        table.add_row(str(row.number), *cells, style="bold" if is_winner else None)
    console.print(table)
    if result.importance:
        importances = ", ".join(f"{key} {importance:.2f}" for key, importance in result.importance.items())
        console.print(f"importance (share of the variance between trials): {importances}", highlight=False)
    for name in MAIN:
        if name in result.winner.metrics:
            estimate = result.winner.metrics[name]
            console.print(
                f"winner on the test: {metric_label(name)} {estimate.value:.4f} "
                f"({estimate.low:.4f} to {estimate.high:.4f}), {estimate.n:,} users",
                highlight=False,
            )
