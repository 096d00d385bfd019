"""The task `generate_title`: write the exact title of the next item (the first form of system A)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from shoptalk.prompts.builder import HISTORY, PLAIN, PromptBuilder
from shoptalk.prompts.template import Template
from shoptalk.recipe import Recipe
from shoptalk.schema import EvalExample, History, Message, Recommender
from shoptalk.tasks.options import OptionTask

if TYPE_CHECKING:
    from shoptalk.models.language_model import LanguageModel
    from shoptalk.tasks.evaluation import Evaluation, TaskResult

INSTRUCTION = Template(
    "title",
    HISTORY + "Considering their purchase history, name the product that they will buy next.",
)


class TitlePrompts(PromptBuilder):
    """Prompts with the history; the answer is the title of the next product."""

    def instruction(self, history: History) -> Message:  # noqa: ARG002
        """The request to name the next product."""
        return Message("system", (PLAIN if self.prompt.style == "plain" else INSTRUCTION).render())

    def answer(self, case: EvalExample, *, latest: int | None = None) -> Message:  # noqa: ARG002
        """The title of the next product."""
        return Message("assistant", self.title(case.targets[0]))

    @property
    def in_sequence(self) -> bool:
        """True for plain lines of titles alone: each line is an answer as well."""
        return self.prompt.style == "plain" and self.prompt.fields == ("title",)


class GenerateTitle(OptionTask):
    """Write the title of the next purchase; options are scored by the probability of their titles."""

    name = "generate_title"
    summary = "write the title of the next product"
    prompts = TitlePrompts

    def recommender(self, model: LanguageModel, prompts: PromptBuilder, recipe: Recipe, folder: Path) -> Recommender:  # noqa: ARG002
        """Scores titles; a large catalogue is ranked by beam search."""
        from shoptalk.recommend.titles import TitleRecommender

        return TitleRecommender(model, prompts, recipe.evaluation.scoring)

    def evaluate_texts(self, evaluation: Evaluation) -> TaskResult:
        """Evaluate the titles that are generated without constraints."""
        from shoptalk.tasks.evaluate_texts import evaluate_texts

        return evaluate_texts(evaluation, lambda text: text)


TASK = GenerateTitle()
