"""The interface `Task`: everything that depends on what a model is asked.

The rest of the package prepares, trains, evaluates, recommends and reports through this interface, and does not depend
on which task it is. A new task is one module with a `Task`, one line in ``shoptalk.tasks`` and one mirrored test; see
``docs/guide/adding.md``. Task modules import model libraries inside functions, so that recipes are checked fast.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from shoptalk.errors import RecipeError
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.recipe import Prompt, Recipe
from shoptalk.schema import Catalogue, EvalExample, History, RankedList, Recommender, Split
from shoptalk.tasks.sizes import DataSize, Sizes

if TYPE_CHECKING:
    from shoptalk.models.language_model import LanguageModel
    from shoptalk.results import SamplePrompt
    from shoptalk.tasks.evaluation import Evaluation, TaskResult
    from shoptalk.training.loop import TrainingData


class Task(ABC):
    """What a model is asked, with its prompts, settings, training data, recommender and metrics.

    Attributes
    ----------
    name
        Its name in a recipe (``prompt.task``).
    summary
        What the model does, for the documentation.
    prompts
        The subclass of `PromptBuilder` that writes its prompts and answers.
    columns
        Columns of items and interactions, beside the titles, that its prompts and answers read whatever
        ``prompt.fields`` holds: brand, categories, description, price or review.
    item_tokens
        Whether every item is one token whose embedding is built from its text (``[items]`` of the recipe).
    computes_in_numpy
        Whether `recommender` also takes a `shoptalk.models.numpy_model.NumpyModel`, which needs no torch.
    reads_graph
        Whether its prompts consist of tokens of items, whose attention can have a bias (``model.graph_attention``).
    learns_choices
        Whether it has a choice phase (``training.choice_epochs``).
    learns_answers
        Whether it can learn the answers of a teacher (``training.answers``).
    styles, answer_forms
        Values of ``prompt.style`` and ``prompt.answer`` that it supports.
    validation_metrics
        Metrics on validation cases that training computes; a sweep can choose by them.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    prompts: ClassVar[type[PromptBuilder]]
    columns: ClassVar[tuple[str, ...]] = ()
    item_tokens: ClassVar[bool] = False
    computes_in_numpy: ClassVar[bool] = False
    reads_graph: ClassVar[bool] = False
    learns_choices: ClassVar[bool] = True
    learns_answers: ClassVar[bool] = False
    styles: ClassVar[tuple[str, ...]] = ("alpaca", "phi3", "chat", "plain")
    answer_forms: ClassVar[tuple[str, ...]] = ("title",)
    validation_metrics: ClassVar[tuple[str, ...]] = ("validation_loss",)

    def default_settings(self, content: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:  # noqa: ARG002
        """Settings by section that a recipe of this task has where its content names none.

        Other settings have the defaults of `shoptalk.recipe`.

        Parameters
        ----------
        content
            The settings that the recipe names, by section.
        """
        return {}

    def sizes(self, size: DataSize) -> Sizes:  # noqa: ARG002
        """The sizes that ``auto`` stands for in a recipe of this task; by default the same for all data."""
        return Sizes()

    def check(self, recipe: Recipe) -> None:
        """Make sure that a recipe has the settings that the task needs, and none that it does not support.

        Raises
        ------
        RecipeError
            Naming the setting and what to do.
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
        if recipe.model.graph_attention != "off" and not self.reads_graph:
            raise RecipeError(
                f'prompt.task = "{self.name}" cannot use model.graph_attention = "{recipe.model.graph_attention}"',
                hint="its prompts have no item tokens: use next_item or generate_ids",
            )
        if recipe.training.answers is not None and not self.learns_answers:
            raise RecipeError(f'prompt.task = "{self.name}" cannot use training.answers')
        if recipe.training.loss_on == "all" and self.item_tokens:
            raise RecipeError(f'prompt.task = "{self.name}" cannot use training.loss_on = "all"')
        if recipe.training.choice_epochs and not self.learns_choices:
            raise RecipeError(f'prompt.task = "{self.name}" cannot use training.choice_epochs')
        if recipe.training.choice_epochs and recipe.candidates is None:
            raise RecipeError("training.choice_epochs needs a [candidates] section")

    def can_evaluate(self, recipe: Recipe) -> bool:  # noqa: ARG002
        """Whether test cases can be evaluated with the settings of a recipe; by default always."""
        return True

    def vocabulary(self, prompt: Prompt, catalogue: Catalogue) -> list[str]:  # noqa: ARG002
        """Ids of items that become tokens of the vocabulary; by default none."""
        return []

    def train_cases(self, split: Split, recipe: Recipe) -> Iterable[EvalExample]:
        """The training cases: prompts with answers to learn."""
        return self.cases(split.train_cases, recipe)

    def cases(self, cases: Sequence[EvalExample], recipe: Recipe) -> Sequence[EvalExample]:  # noqa: ARG002
        """The cases that the task can use, in the form that it uses; by default all, without their options."""
        return [replace(case, candidates=None, answer=None) for case in cases]

    def training_data(
        self, recipe: Recipe, split: Split, choices: Sequence[EvalExample], prompts: PromptBuilder, model: LanguageModel
    ) -> TrainingData:
        """Token ids of the training and validation examples; test cases are not used.

        Parameters
        ----------
        split
            The split with the training cases that ``training.targets`` selects.
        choices
            Training cases with options, as in the test, for the choice phase.

        Raises
        ------
        PromptError
            If there are no training examples.
        """
        from shoptalk.training.training_data import make_training_data

        return make_training_data(
            recipe,
            split,
            self.train_cases(split, recipe),
            self.cases(split.validation, recipe),
            choices,
            prompts,
            self.learned_prompts(prompts, recipe),
            model,
        )

    def learned_prompts(self, prompts: PromptBuilder, recipe: Recipe) -> PromptBuilder:  # noqa: ARG002
        """The prompts with the answers that training learns; by default the same."""
        return prompts

    @abstractmethod
    def recommender(self, model: LanguageModel, prompts: PromptBuilder, recipe: Recipe, folder: Path) -> Recommender:
        """The recommender of a trained model, which was saved in ``folder``."""

    @abstractmethod
    def evaluate(self, evaluation: Evaluation) -> TaskResult:
        """Evaluate the recommender on the test cases by the metrics of the task."""

    @abstractmethod
    def sample(self, recommender: Any, case: EvalExample) -> SamplePrompt:
        """The prompt and the right answer of a case, decoded from the token ids that the model gets."""

    def samples(self, cases: Sequence[EvalExample]) -> Iterable[EvalExample]:
        """The test cases that `sample` supports; by default all."""
        return cases

    def recommendation_texts(
        self,
        prompts: PromptBuilder,  # noqa: ARG002
        history: History,  # noqa: ARG002
        ranked: RankedList,  # noqa: ARG002
    ) -> Sequence[str] | None:
        """A text for each recommended item; by default None."""
        return None
