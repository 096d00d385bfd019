"""The task `multiple_choice`: choose the next item among the options in the prompt (system A)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shoptalk.errors import PromptError
from shoptalk.prompts.builder import HISTORY, PromptBuilder
from shoptalk.prompts.template import Template
from shoptalk.recipe import Recipe
from shoptalk.schema import Candidates, EvalExample, History, Message, Recommender
from shoptalk.tasks.options import OptionTask

if TYPE_CHECKING:
    from shoptalk.models.language_model import LanguageModel

INSTRUCTION = Template(
    "multiple_choice",
    HISTORY + "Considering their purchase history, which product will they buy next from the options?",
)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class MultipleChoicePrompts(PromptBuilder):
    """Prompts with the history and lettered options; the answer is the title or letter of an option."""

    shows_options = True

    def instruction(self, history: History) -> Message:  # noqa: ARG002
        """The question which of the options comes next."""
        return Message("system", INSTRUCTION.render())

    def ask(
        self, history: History, candidates: Candidates | None = None, *, latest: int | None = None
    ) -> list[Message]:
        """The question with its options."""
        if candidates is None:
            raise PromptError("the task `multiple_choice` needs options")
        lettered = zip(LETTERS, self.option_titles(candidates), strict=False)
        lines = ["Options:", *(f"{letter}) {title}" for letter, title in lettered)]
        options = [Message("user", line) for line in lines]
        return [*super().ask(history, candidates, latest=latest), *options]

    def answers(self, candidates: Candidates, history: History, *, latest: int | None = None) -> list[Message]:
        """The letters or titles of the options, as ``prompt.answer`` says."""
        if self.prompt.answer == "letter":
            return [Message("assistant", letter) for letter in LETTERS[: len(candidates.titles)]]
        return super().answers(candidates, history, latest=latest)

    def answer(self, case: EvalExample, *, latest: int | None = None) -> Message:
        """The right option."""
        if case.candidates is None or case.answer is None:
            raise PromptError("the task `multiple_choice` needs options")
        return self.answers(case.candidates, case.history, latest=latest)[case.answer]


class MultipleChoice(OptionTask):
    """Choose the next purchase among options."""

    name = "multiple_choice"
    summary = "choose the next product among the options that the prompt shows"
    prompts = MultipleChoicePrompts
    answer_forms = ("title", "letter")

    def cases(self, cases: Sequence[EvalExample], recipe: Recipe) -> Sequence[EvalExample]:  # noqa: ARG002
        """All cases, with their options."""
        return cases

    def recommender(self, model: LanguageModel, prompts: PromptBuilder, recipe: Recipe, folder: Path) -> Recommender:  # noqa: ARG002
        """Scores the options in the prompt."""
        from shoptalk.recommend.options import LanguageModelRecommender

        return LanguageModelRecommender(model, prompts, recipe.evaluation.scoring)


TASK = MultipleChoice()
