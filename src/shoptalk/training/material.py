"""What a recipe makes of a split: examples to learn from, and examples to watch."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from shoptalk.errors import PromptError
from shoptalk.models.base import LanguageModel
from shoptalk.prompts.encode import IGNORE, encode
from shoptalk.prompts.questions import option_question
from shoptalk.prompts.rows import read_rows
from shoptalk.prompts.tasks import Teller
from shoptalk.recipe import Recipe, resolve
from shoptalk.schema import Case, Example, Split
from shoptalk.training.examples import (
    TokenSet,
    encode_cases,
    encode_examples,
    encode_sequences,
    encode_texts,
    gather,
    join,
    list_cases,
)
from shoptalk.training.loop import Material
from shoptalk.training.phases import Choices


def make_material(recipe: Recipe, split: Split, exam: Sequence[Case], teller: Teller, model: LanguageModel) -> Material:
    """Token ids of everything that is learned or watched; test cases are never looked at.

    Parameters
    ----------
    split
        With the questions that the recipe's ``training.targets`` names.
    exam
        Questions of training users in the form of the test, for learning to choose.

    Raises
    ------
    PromptError
        When nothing is left to learn from.
    """
    tokenizer, training = model.tokenizer, recipe.training
    if teller.in_sequence and training.targets == "every":
        train = encode_sequences(split.train, teller, tokenizer)
    elif recipe.prompt.task == "list":
        train = encode_cases(list_cases(split.train, every=training.targets == "every"), teller, tokenizer)
    else:
        train = encode_cases(_usable(split.train_cases, recipe), teller, tokenizer)
    for path in training.extra:
        rows = read_rows(resolve(path))
        limit = recipe.prompt.max_tokens
        train = join([train, encode_examples(rows, recipe.prompt.style, tokenizer, limit, where=str(Path(path)))])
    if recipe.prompt.task == "items":
        train = _with_tasks(train, recipe, teller, model)
    if not len(train):
        raise PromptError("there is nothing to learn from", hint="keep users with longer histories")
    validation = encode_cases(_usable(split.validation, recipe), teller, tokenizer)
    catalogue: TokenSet | None = None
    if training.pretrain_epochs:
        catalogue = encode_texts((teller.title(item) for item in teller.catalogue), tokenizer)
    choices = watched = None
    if training.contrast_epochs:
        choices = encode_choices(exam, recipe, teller, model)
        watched = encode_choices(split.validation, recipe, teller, model)
    negatives = recipe.items.negatives if recipe.prompt.task == "items" else None
    return Material(train, validation, catalogue, choices, watched, negatives)


def _with_tasks(train: TokenSet, recipe: Recipe, teller: Teller, model: LanguageModel) -> TokenSet:
    """The examples with what the other tasks add; without the task ``next_title`` only items are learned from them."""
    assert model.items is not None
    tasks, tokenizer = recipe.items.tasks, model.tokenizer
    if "next_title" not in tasks:
        train = replace(train, labels=np.where(train.labels >= model.items.first, train.labels, IGNORE))
    facts = [fact for fact in ("title_of", "item_of") if fact in tasks]
    told = [Example(teller.fact(fact, item)) for fact in facts for item in sorted(model.items.seen)]
    if not told:
        return train
    return join([train, gather([encode("plain", example.messages, tokenizer) for example in told], 0)])


def encode_choices(cases: Iterable[Case], recipe: Recipe, teller: Teller, model: LanguageModel) -> Choices:
    """Questions with their options as answers, scored as the evaluation will score them."""
    questions, right = [], []
    for case in cases:
        if case.candidates is not None and case.answer is not None:
            questions.append(option_question(teller, model.tokenizer, case.history, case.candidates)[0])
            right.append(case.answer)
    return Choices(questions, np.array(right, dtype=np.int64), recipe.evaluation.scoring == "mean")


def _usable(cases: Sequence[Case], recipe: Recipe) -> Sequence[Case]:
    """The cases as the task wants them: naming a title and judging by rating need no options."""
    if recipe.prompt.task in {"title", "items", "list", "advise"}:
        return [replace(case, candidates=None, answer=None) for case in cases]
    if recipe.prompt.task == "like" and recipe.candidates is None:
        return [case for case in cases if case.rating is not None]
    return cases
