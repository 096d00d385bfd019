"""Exporting what a model is trained on, for other tools."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from shoptalk.models.tokenizer import load_tokenizer
from shoptalk.prompts.rows import write_rows
from shoptalk.runs import open_run
from shoptalk.schema import Case, Example
from shoptalk.stages.opening import open_run_dataset
from shoptalk.stages.recommender import prompt_words
from shoptalk.training.examples import list_cases


def export(folder: Path, part: str, form: str, out: Path) -> int:
    """Write the examples of one part of a run's dataset, as its recipe words them.

    Parameters
    ----------
    part
        ``train``, ``validation`` or ``test``.
    form
        ``csv`` (system A), ``alpaca`` (system C) or ``chat``.

    Returns
    -------
    int
        How many examples were written.
    """
    run = open_run(folder)
    shop = open_run_dataset(run)
    tokenizer = load_tokenizer(str(run.model))
    teller = prompt_words(run.recipe.prompt, shop.catalogue, tokenizer)
    split = shop.split(run.recipe.training.targets)
    train: Iterable[Case] = split.train_cases
    if run.recipe.prompt.task == "list":
        train = list_cases(split.train, every=run.recipe.training.targets == "every")
    cases = {"train": train, "validation": split.validation, "test": split.test}[part]

    def examples() -> Iterator[Example]:
        for case in cases:
            yield from teller.examples(case)

    return write_rows(examples(), out, form, run.recipe.prompt.style, tokenizer)
