"""Training and validation data of a recipe, made of a split."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from shoptalk.errors import PromptError
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.tokenizer import Tokenizer
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.encode import IGNORE, encode
from shoptalk.prompts.questions import option_question, prior_prompt
from shoptalk.prompts.rows import read_rows
from shoptalk.recipe import Recipe, resolve
from shoptalk.schema import EvalExample, Example, Split
from shoptalk.training.crowd import encode_crowd
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
    learned: PromptBuilder,
    model: LanguageModel,
) -> TrainingData:
    """Encode the training and validation data of all phases; test cases are never used.

    Parameters
    ----------
    split
        Its training histories are encoded as whole sequences, where the prompts allow it and
        ``training.targets = "every"``.
    train_cases, validation_cases
        Cases in the form of the task.
    builder, learned
        The prompts of the task, and those of the training cases, which may have other answers.
    choices
        Training cases with options, for the choice phase.

    Raises
    ------
    PromptError
        When there is no training example.
    """
    tokenizer, training = model.tokenizer, recipe.training
    if builder.in_sequence and training.targets == "every":
        train = encode_sequences(split.train, builder, tokenizer)
    else:
        train = encode_cases(train_cases, learned, tokenizer)
    if training.extra:
        extra = join([_rows_of_file(path, recipe, tokenizer) for path in training.extra])
        train = join([train, _drawn(extra, len(train), recipe)])
    if not len(train):
        raise PromptError("there are no training examples", hint="keep users with longer histories")
    validation = encode_cases(validation_cases, builder, tokenizer)
    if training.loss_on == "all":
        train, validation = (replace(part, labels=part.ids) for part in (train, validation))
    catalogue: TokenSet | None = None
    if training.pretrain_epochs:
        catalogue = encode_texts((builder.title(item) for item in builder.catalogue), tokenizer)
    train_choices = validation_choices = None
    if training.choice_epochs:
        train_choices = encode_choices(choices, recipe, builder, model)
        validation_choices = encode_choices(split.validation, recipe, builder, model)
    crowd = encode_crowd(recipe, split.train, builder, model)
    epochs = recipe.pretraining.epochs
    return TrainingData(
        train, validation, catalogue, train_choices, validation_choices, crowd=crowd, crowd_epochs=epochs
    )


def _rows_of_file(path: str, recipe: Recipe, tokenizer: Tokenizer) -> TokenSet:
    """The rows of a file of instructions as examples."""
    limit = recipe.prompt.max_tokens
    return encode_examples(read_rows(resolve(path)), recipe.prompt.style, tokenizer, limit, where=str(Path(path)))


def _drawn(extra: TokenSet, examples: int, recipe: Recipe) -> TokenSet:
    """``training.extra_ratio`` rows for each example, drawn without replacement; all without a ratio.

    Raises
    ------
    PromptError
        When there are fewer rows than that.
    """
    ratio = recipe.training.extra_ratio
    if ratio is None:
        return extra
    count = round(ratio * examples)
    if count > len(extra):
        raise PromptError(
            f"training.extra has {len(extra):,} rows, and training.extra_ratio = {ratio:g} needs {count:,}",
            where=", ".join(recipe.training.extra),
            hint="lower training.extra_ratio, or add rows",
        )
    return extra.take(np.sort(np.random.default_rng(recipe.seed).permutation(len(extra))[:count]))


def with_facts(train: TokenSet, facts: Sequence[Example], model: LanguageModel, *, items_only: bool) -> TokenSet:
    """Add facts about items to the examples; with ``items_only`` only the item tokens of the examples are learned."""
    assert model.items is not None
    if items_only:
        train = replace(train, labels=np.where(train.labels >= model.items.first, train.labels, IGNORE))
    if not facts:
        return train
    return join([train, gather([encode("plain", fact.messages, model.tokenizer) for fact in facts], 0)])


def encode_choices(
    cases: Iterable[EvalExample], recipe: Recipe, builder: PromptBuilder, model: LanguageModel
) -> Choices:
    """Questions with their options as answers, encoded and scored as in the evaluation."""
    scoring = recipe.evaluation.scoring
    questions, priors, right = [], [], []
    for case in cases:
        if case.candidates is not None and case.answer is not None:
            prompt, answers = option_question(builder, model.tokenizer, case.history, case.candidates)[0]
            questions.append((prompt, answers))
            right.append(case.answer)
            if scoring == "pmi":
                longest = max(map(len, answers))
                priors.append((prior_prompt(builder, model.tokenizer, case.candidates, longest), answers))
    return Choices(questions, np.array(right, dtype=np.int64), scoring == "mean", priors)
