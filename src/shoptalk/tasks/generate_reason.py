"""Recommendation with a reason, asked for in the first person (system C)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from shoptalk.prompts.advice import BECAUSE, NEW, Adviser, describe_purchase, recommended, request
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.shorten import shorten
from shoptalk.recipe import Recipe
from shoptalk.schema import Candidates, EvalExample, History, Message, RankedList, Recommender
from shoptalk.tasks.options import OptionTask

if TYPE_CHECKING:
    from shoptalk.models.language_model import LanguageModel
    from shoptalk.tasks.evaluation import Evaluation, TaskResult


class ReasonPrompts(PromptBuilder):
    """The history in the first person; the answer is a title with a reason that is true by construction."""

    longest_answer = 256

    def instruction(self, history: History) -> Message:
        """One of more than ten requests, the same for the same customer."""
        return Message("system", request(history))

    def line(self, history: History, index: int) -> str:
        """A purchase in the first person."""
        return describe_purchase(*self.described(history, index))

    def answers(self, candidates: Candidates, history: History, *, latest: int | None = None) -> list[Message]:
        """Each option with the reason for it."""
        return [Message("assistant", self.reason(history, item, latest=latest)) for item in candidates.items]

    def answer(self, case: EvalExample, *, latest: int | None = None) -> Message:
        """The next product with the reason for it."""
        return Message("assistant", self.reason(case.history, case.targets[0], latest=latest))

    def reason(self, history: History, item_id: str, *, latest: int | None = None, as_listed: bool = False) -> str:
        """The item recommended with a reason from what is shown of the history.

        ``as_listed`` writes the titles as the catalogue has them, for people to read; no prompt may hold those.
        """
        title_of = self._listed_title if as_listed else self.title
        title = title_of(item_id)
        shown = history.items[self.first_shown(history, latest) :]
        if found := self._adviser.reason(shown, item_id):
            bought, words = found
            listed = ", ".join(words)
            if self.encode is not None:
                listed = shorten(listed, self.field_tokens, self.encode)
            return BECAUSE.render(title=title, item=title_of(bought), words=listed)
        return NEW.render(title=title)

    def shorter(self) -> Self | None:
        """See `PromptBuilder`; reasons are still found in the whole texts."""
        _ = self._adviser  # made once, for the shorter prompts as well
        return super().shorter()

    def _listed_title(self, item_id: str) -> str:
        return self.catalogue[item_id].title

    @cached_property
    def _adviser(self) -> Adviser:
        return Adviser(self.catalogue, self.words)


class GenerateReason(OptionTask):
    """Write a recommendation with its reason; options are scored by the probability of theirs."""

    name = "generate_reason"
    summary = "write the title of the next product with a reason"
    prompts = ReasonPrompts

    def recommender(self, model: LanguageModel, prompts: PromptBuilder, recipe: Recipe, folder: Path) -> Recommender:  # noqa: ARG002
        """Scores each product by the probability of its title and reason."""
        from shoptalk.recommend.options import LanguageModelRecommender

        return LanguageModelRecommender(model, prompts, recipe.evaluation.scoring)

    def written(self, prompts: PromptBuilder, history: History, ranked: RankedList) -> Sequence[str]:
        """Each recommended product with its reason."""
        assert isinstance(prompts, ReasonPrompts)  # made by this task
        return [prompts.reason(history, item, as_listed=True) for item in ranked.items]

    def evaluate_texts(self, evaluation: Evaluation) -> TaskResult:
        """The titles that are recommended, and whether the reasons are the true ones."""
        from shoptalk.tasks.evaluate_texts import evaluate_texts

        prompts: ReasonPrompts = evaluation.recommender.builder
        return evaluate_texts(evaluation, recommended, lambda case, item: prompts.reason(case.history, item))


TASK = GenerateReason()
