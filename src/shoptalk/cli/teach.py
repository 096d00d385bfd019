"""``shoptalk teach``: a teacher model writes the answers of training rows."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shoptalk.cli.options import Json, Seed, Set, print_json, without_sweep

if TYPE_CHECKING:
    from shoptalk.results import TeachResult


def command(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder of a dataset.")],
    recipe: Annotated[Path, typer.Option("--recipe", metavar="RECIPE", help="Recipe with a section [teacher].")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file of answers to write.")],
    cache: Annotated[
        Path | None,
        typer.Option("--cache", metavar="FILE", help="File that keeps every answer; default: FILE.cache.sqlite."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print rows, tokens and cost; send and write nothing.")
    ] = False,
    settings: Set = [],  # noqa: B006  (typer copies it)
    as_json: Json = False,
    seed: Seed = None,
) -> None:
    """Ask a teacher model, at any OpenAI-compatible endpoint, for recommendations with reasons to train on.

    Accepted answers are written to FILE, which `training.answers` names. Every answer is kept in the cache, so that a
    repeated command pays for none twice. The key of the API comes from an environment variable.

    Example: `shoptalk teach gift-cards --recipe mine.toml --out teacher.jsonl --dry-run`
    """
    from shoptalk.data.dataset import open_dataset
    from shoptalk.progress_bars import progress_bars
    from shoptalk.results import as_json as to_json
    from shoptalk.stages.teach import teach
    from shoptalk.tasks import load_recipe

    parsed = without_sweep(load_recipe(recipe, settings, seed))
    with progress_bars() as progress:
        result = teach(parsed, open_dataset(dataset), out, cache, progress, dry_run=dry_run)
    if as_json:
        print_json(to_json(result))
    else:
        _show(result)


def _show(result: "TeachResult") -> None:
    """Print the counts, tokens and cost."""
    tokens = f"{result.input_tokens:,} input and {result.output_tokens:,} output tokens, cost {result.cost:.4f}"
    print(f"{result.rows:,} rows, {result.requests:,} requests, {result.cached:,} of them answered before")
    if result.file is None:
        print(f"to send: {result.left:,} requests, about {tokens}")
        if result.stopped:
            print(f"this is more than teacher.{result.stopped} allows")
        return
    print(f"answered now: {result.asked:,}; all answers: {tokens}")
    for name, count in result.refused.items():
        print(f"refused: {count:,} {name.replace('_', ' ')}")
    for name, count in result.failed.items():
        print(f"failed: {count:,} {name.replace('_', ' ')}")
    if result.stopped:
        print(f"stopped by teacher.{result.stopped}: {result.left:,} requests were not answered")
    agreement = "" if result.agreement is None else f", {result.agreement:.3f} of them recommend the next purchase"
    print(f"{result.accepted:,} accepted answers in {result.file}{agreement}")
