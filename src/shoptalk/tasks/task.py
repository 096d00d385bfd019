"""What a task is: everything that depends on what a model is asked, in one object.

The rest of the package prepares, trains, evaluates, recommends and reports through this interface, and never asks which
task it is. A new task is one module with a `Task`, one line in ``shoptalk.tasks`` and one mirrored test; see
``docs/guide/adding.md``. Task modules import nothing heavy at the top, so that a recipe can be checked without a model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from shoptalk.errors import RecipeError
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.recipe import Prompt, Recipe
from shoptalk.schema import Catalogue, EvalExample, History, RankedList, Recommender, Split

if TYPE_CHECKING:
    from shoptalk.models.language_model import LanguageModel
    from shoptalk.results import SamplePrompt
    from shoptalk.tasks.evaluation import Evaluation, TaskResult
    from shoptalk.training.loop import TrainingData


class Task(ABC):
    """One kind of question, and all that follows from it.

    Attributes
    ----------
    name
        As a recipe names it (``prompt.task``).
    summary
        What is asked, for the documentation.
    prompts
        How its questions and answers are worded: a subclass of `PromptBuilder`.
    columns
        Columns of items and interactions, beside the titles, that its prompts and answers read whatever
        ``prompt.fields`` holds: brand, categories, description, price or review.
    item_tokens
        Whether every item is one token whose embedding is built from its text (``[items]`` of the recipe).
    learns_choices
        Whether it can learn to tell the right option from the others (``training.choice_epochs``).
    styles, answer_forms
        Values of ``prompt.style`` and ``prompt.answer`` that it can use.
    validation_metrics
        Figures of the validation cases that training itself measures, by which a sweep may choose.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    prompts: ClassVar[type[PromptBuilder]]
    columns: ClassVar[tuple[str, ...]] = ()
    item_tokens: ClassVar[bool] = False
    learns_choices: ClassVar[bool] = True
    styles: ClassVar[tuple[str, ...]] = ("alpaca", "phi3", "chat", "plain")
    answer_forms: ClassVar[tuple[str, ...]] = ("title",)
    validation_metrics: ClassVar[tuple[str, ...]] = ("validation_loss",)

    def check(self, recipe: Recipe) -> None:
        """Make sure that a recipe has the settings that the task needs, and none that it cannot use.

        Raises
        ------
        RecipeError
            Naming the setting and the cure.
        """
        if self.prompts.shows_options and recipe.candidates is None:
            raise RecipeError(f'prompt.task = "{self.name}" needs a [candidates] section')
        for setting, value, allowed in (
            ("prompt.style", recipe.prompt.style, self.styles),
            ("prompt.answer", recipe.prompt.answer, self.answer_forms),
        ):
            if value not in allowed:
                raise RecipeError(
                    f'prompt.task = "{self.name}" cannot use {setting} = "{value}"',
                    hint=f"it can use: {', '.join(allowed)}",
                )
        if recipe.training.choice_epochs and not self.learns_choices:
            raise RecipeError(f'prompt.task = "{self.name}" cannot use training.choice_epochs')
        if recipe.training.choice_epochs and recipe.candidates is None:
            raise RecipeError("training.choice_epochs needs a [candidates] section")

    def can_evaluate(self, recipe: Recipe) -> bool:  # noqa: ARG002
        """Whether test cases can be evaluated with the settings of a recipe; by default always."""
        return True

    def vocabulary(self, prompt: Prompt, catalogue: Catalogue) -> list[str]:  # noqa: ARG002
        """Ids of items that need an entry of the model's own vocabulary; by default none."""
        return []

    def train_cases(self, split: Split, recipe: Recipe) -> Iterable[EvalExample]:
        """The cases whose answers are learned."""
        return self.cases(split.train_cases, recipe)

    def cases(self, cases: Sequence[EvalExample], recipe: Recipe) -> Sequence[EvalExample]:  # noqa: ARG002
        """Those cases of a split that the task can ask about, as it asks; by default all, without their options."""
        return [replace(case, candidates=None, answer=None) for case in cases]

    def training_data(
        self, recipe: Recipe, split: Split, choices: Sequence[EvalExample], prompts: PromptBuilder, model: LanguageModel
    ) -> TrainingData:
        """Token ids of everything that is learned or watched; test cases are never looked at.

        Parameters
        ----------
        split
            With the cases that the recipe's ``training.targets`` names.
        choices
            Training cases with options, in the form of the test, for learning to choose among them.

        Raises
        ------
        PromptError
            When nothing is left to learn from.
        """
        from shoptalk.training.training_data import make_training_data

        return make_training_data(
            recipe,
            split,
            self.train_cases(split, recipe),
            self.cases(split.validation, recipe),
            choices,
            prompts,
            model,
        )

    @abstractmethod
    def recommender(self, model: LanguageModel, prompts: PromptBuilder, recipe: Recipe, folder: Path) -> Recommender:
        """A trained model, ready to score and rank; ``folder`` is where it was saved."""

    @abstractmethod
    def evaluate(self, evaluation: Evaluation) -> TaskResult:
        """Judge the recommender on the test cases by the metrics that fit the task."""

    @abstractmethod
    def sample(self, recommender: Any, case: EvalExample) -> SamplePrompt:
        """A case as the model sees it: the prompt and the right answer, decoded from token ids."""

    def samples(self, cases: Sequence[EvalExample]) -> Iterable[EvalExample]:
        """Those of the test cases that a sample can be made of; by default all."""
        return cases

    def written(self, prompts: PromptBuilder, history: History, ranked: RankedList) -> Sequence[str] | None:  # noqa: ARG002
        """What the model says in words with each recommended item; None where it says nothing."""
        return None
