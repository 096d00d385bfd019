"""Multiple choice: which of the options shown in the prompt comes next (system A)."""

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
    """The history, then the options with a letter each; the answer is an option's title or its letter."""

    shows_options = True

    def instruction(self, history: History) -> Message:  # noqa: ARG002
        """Which of the options comes next."""
        return Message("system", INSTRUCTION.render())

    def ask(
        self, history: History, candidates: Candidates | None = None, *, latest: int | None = None
    ) -> list[Message]:
        """The question with its options."""
        if candidates is None:
            raise PromptError("the task `multiple_choice` needs options")
        options = zip(LETTERS, self.option_titles(candidates), strict=False)
        titles = [f"{letter}) {title}" for letter, title in options]
        lines = [Message("user", line) for line in ["Options:", *titles]]
        return [*super().ask(history, candidates, latest=latest), *lines]

    def answers(self, candidates: Candidates, history: History, *, latest: int | None = None) -> list[Message]:
        """The options' letters or titles, as ``prompt.answer`` says."""
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
        """Scores the options that it is shown."""
        from shoptalk.recommend.options import LanguageModelRecommender

        return LanguageModelRecommender(model, prompts, recipe.evaluation.scoring)


TASK = MultipleChoice()
