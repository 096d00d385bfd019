"""Exports the examples of a run for other tools."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from shoptalk.models.tokenizer import load_tokenizer
from shoptalk.prompts.rows import write_rows
from shoptalk.runs import open_run
from shoptalk.schema import EvalExample, Example
from shoptalk.stages.load_dataset import open_run_dataset
from shoptalk.tasks import get_task, make_prompts


def export(folder: Path, part: str, form: str, out: Path) -> int:
    """Write the examples of one part of a run's dataset, with the prompts of its recipe.

    Parameters
    ----------
    folder
        Folder of a trained run, whose tokenizer shortens the prompts.
    part
        ``train``, ``validation`` or ``test``.
    form
        ``csv`` (system A), ``alpaca`` (system C) or ``chat``.
    out
        File to write.

    Returns
    -------
    int
        Number of examples written.
    """
    run = open_run(folder)
    dataset = open_run_dataset(run)
    tokenizer = load_tokenizer(str(run.model))
    task = get_task(run.recipe.prompt.task)
    builder = make_prompts(run.recipe.prompt, dataset.catalogue, tokenizer)
    split = dataset.split(run.recipe.training.targets)
    cases: Iterable[EvalExample]
    if part == "train":
        builder = task.learned_prompts(builder, run.recipe)
        cases = task.train_cases(split, run.recipe)
    else:
        cases = task.cases({"validation": split.validation, "test": split.test}[part], run.recipe)

    def examples() -> Iterator[Example]:
        """The examples of all cases, one after the other."""
        for case in cases:
            yield from builder.examples(case)

    return write_rows(examples(), out, form, run.recipe.prompt.style, tokenizer)
