"""``shoptalk train``: dataset folder -> trained model."""

from pathlib import Path
from typing import Annotated

import typer

from shoptalk.cli.options import Json, RecipePath, Seed, Set, print_json, without_sweep


def command(
    recipe: RecipePath,
    data: Annotated[Path, typer.Option("--data", metavar="DATASET", help="Folder that shoptalk prepare wrote.")],
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="Folder of the run; new or empty.")],
    resume: Annotated[bool, typer.Option("--resume", help="Resume an interrupted training.")] = False,
    settings: Set = [],  # noqa: B006  (typer copies it)
    as_json: Json = False,
    seed: Seed = None,
) -> None:
    """Fine-tune a language model on a dataset; the weights of the best epoch on validation are kept.

    Example: `shoptalk train recipes/sample.toml --data dataset --out run --set training.epochs=3`
    """
    from shoptalk.data.dataset import open_dataset
    from shoptalk.experiment import train
    from shoptalk.progress_bars import progress_bars
    from shoptalk.prompts.shorten import shortening_lines
    from shoptalk.tasks import load_recipe

    with progress_bars() as progress:
        checked = without_sweep(load_recipe(recipe, settings, seed))
        trained = train(checked, open_dataset(data), out, progress, resume=resume)
    report = trained.run.info["training"]
    if as_json:
        print_json(report)
        return
    print(
        f"{report['parameters']:,} parameters, {report['trainable_share']:.2%} of them trained in {report['precision']}"
    )
    for line in shortening_lines(report.get("shortened", {"fields": {}, "questions": 0})):
        print(line)
    for row in report["losses"]:
        print(f"epoch {row['epoch']:>3}  train {row['train']:.4f}  validation {row['validation']:.4f}")
    print(f"best epoch {report['best_epoch']}; {report['tokens']:,} tokens in {report['seconds']:.0f} s")
    print(f"next: shoptalk evaluate {out}")
