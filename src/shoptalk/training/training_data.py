"""What a recipe makes of a split: examples to learn from, and examples to watch."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from shoptalk.errors import PromptError
from shoptalk.models.language_model import LanguageModel
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.encode import IGNORE, encode
from shoptalk.prompts.questions import option_question
from shoptalk.prompts.rows import read_rows
from shoptalk.recipe import Recipe, resolve
from shoptalk.schema import EvalExample, Example, Split
from shoptalk.training.examples import (
    TokenSet,
    encode_cases,
    encode_examples,
    encode_sequences,
    encode_texts,
    gather,
    join,
)
from shoptalk.training.loop import TrainingData
from shoptalk.training.phases import Choices


def make_training_data(
    recipe: Recipe,
    split: Split,
    train_cases: Iterable[EvalExample],
    validation_cases: Iterable[EvalExample],
    choices: Sequence[EvalExample],
    builder: PromptBuilder,
    model: LanguageModel,
) -> TrainingData:
    """Token ids of everything that is learned or watched; test cases are never looked at.

    Parameters
    ----------
    split
        Its training histories are learned as whole sequences, where the prompts allow it.
    train_cases, validation_cases
        What is asked, in the form of the task.
    choices
        Training cases with options, for learning to choose among them.

    Raises
    ------
    PromptError
        When nothing is left to learn from.
    """
    tokenizer, training = model.tokenizer, recipe.training
    if builder.in_sequence and training.targets == "every":
        train = encode_sequences(split.train, builder, tokenizer)
    else:
        train = encode_cases(train_cases, builder, tokenizer)
    for path in training.extra:
        rows = read_rows(resolve(path))
        limit = recipe.prompt.max_tokens
        train = join([train, encode_examples(rows, recipe.prompt.style, tokenizer, limit, where=str(Path(path)))])
    if not len(train):
        raise PromptError("there is nothing to learn from", hint="keep users with longer histories")
    validation = encode_cases(validation_cases, builder, tokenizer)
    catalogue: TokenSet | None = None
    if training.pretrain_epochs:
        catalogue = encode_texts((builder.title(item) for item in builder.catalogue), tokenizer)
    learned = watched = None
    if training.choice_epochs:
        learned = encode_choices(choices, recipe, builder, model)
        watched = encode_choices(split.validation, recipe, builder, model)
    return TrainingData(train, validation, catalogue, learned, watched)


def with_facts(train: TokenSet, facts: Sequence[Example], model: LanguageModel, *, items_only: bool) -> TokenSet:
    """The examples with facts about items added; with ``items_only`` the answers of the examples are items alone."""
    assert model.items is not None
    if items_only:
        train = replace(train, labels=np.where(train.labels >= model.items.first, train.labels, IGNORE))
    if not facts:
        return train
    return join([train, gather([encode("plain", fact.messages, model.tokenizer) for fact in facts], 0)])


def encode_choices(
    cases: Iterable[EvalExample], recipe: Recipe, builder: PromptBuilder, model: LanguageModel
) -> Choices:
    """Questions with their options as answers, scored as the evaluation will score them."""
    questions, right = [], []
    for case in cases:
        if case.candidates is not None and case.answer is not None:
            questions.append(option_question(builder, model.tokenizer, case.history, case.candidates)[0])
            right.append(case.answer)
    return Choices(questions, np.array(right, dtype=np.int64), recipe.evaluation.scoring == "mean")
