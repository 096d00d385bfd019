"""The task `generate_reason`: recommendation with a reason, with prompts in the first person (system C)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from shoptalk.errors import PromptError
from shoptalk.prompts.advice import (
    BECAUSE,
    NEW,
    TAUGHT,
    Adviser,
    describe_purchase,
    has_reason,
    introduction,
    recommended,
    request,
)
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.shorten import shorten
from shoptalk.prompts.teacher import TaughtAnswer, read_answers
from shoptalk.recipe import Recipe, resolve
from shoptalk.schema import Candidates, EvalExample, History, Message, RankedList, Recommender, Split
from shoptalk.tasks.options import OptionTask

if TYPE_CHECKING:
    from shoptalk.models.language_model import LanguageModel
    from shoptalk.tasks.evaluation import Evaluation, TaskResult


class ReasonPrompts(PromptBuilder):
    """Prompts with the history in the first person; the answer is a title with a reason, true by construction."""

    longest_answer = 256
    #: Answers of a teacher, by user and number of purchases.
    taught: Mapping[tuple[str, int], TaughtAnswer] = {}

    def instruction(self, history: History) -> Message:
        """One of several wordings of the request, chosen by a hash of user and history."""
        return Message("system", request(history))

    def history(self, history: History, latest: int | None) -> list[Message]:
        """The history in the first person; with ``prompt.persona`` the user's pseudonym comes first."""
        lines = super().history(history, latest)
        return [Message("user", introduction(history.user_id)), *lines] if self.prompt.persona else lines

    def line(self, history: History, index: int) -> str:
        """A purchase in the first person; with ``prompt.persona`` only the latest review is shown."""
        item, review = self.described(history, index)
        if self.prompt.persona and any(history.reviews[index + 1 :]):
            review = ""
        return describe_purchase(item, review)

    def answers(self, candidates: Candidates, history: History, *, latest: int | None = None) -> list[Message]:
        """Each option with the reason for it."""
        return [Message("assistant", self.reason(history, item, latest=latest)) for item in candidates.items]

    def answer(self, case: EvalExample, *, latest: int | None = None) -> Message:
        """The next product with the reason for it, or the answer of a teacher where there is one."""
        if taught := self.taught.get((case.history.user_id, len(case.history.items))):
            return Message("assistant", TAUGHT.render(title=self.title(taught.item), reason=self.safe(taught.reason)))
        return Message("assistant", self.reason(case.history, case.targets[0], latest=latest))

    def reason(self, history: History, item_id: str, *, latest: int | None = None, as_listed: bool = False) -> str:
        """A text that recommends an item, with a reason from the part of the history that the prompt shows.

        With ``as_listed`` the titles are those of the catalogue: for output to users, never for prompts.
        """
        title_of = self._listed_title if as_listed else self.title
        title = title_of(item_id)
        shown = history.items[self.first_shown(history, latest) :]
        if reason := self._adviser.reason(shown, item_id):
            purchase, shared_words = reason
            words = ", ".join(shared_words)
            if self.encode is not None:
                words = shorten(words, self.field_tokens, self.encode)
            return BECAUSE.render(title=title, item=title_of(purchase), words=words)
        return NEW.render(title=title)

    def with_answers(self, taught: Mapping[tuple[str, int], TaughtAnswer]) -> Self:
        """The same prompts with answers of a teacher."""
        prompts = copy.copy(self)
        prompts.taught = taught
        prompts._shorter = None
        return prompts

    def shorter(self) -> Self | None:
        """See `PromptBuilder`; reasons are still computed from the whole texts."""
        _ = self._adviser  # computed now, so that the copy has it too
        return super().shorter()

    def _listed_title(self, item_id: str) -> str:
        return self.catalogue[item_id].title

    @cached_property
    def _adviser(self) -> Adviser:
        return Adviser(self.catalogue, self.encoder_text)


class GenerateReason(OptionTask):
    """Write a recommendation with its reason; options are scored by the probability of this text."""

    name = "generate_reason"
    learns_answers = True
    summary = "write the title of the next product with a reason"
    prompts = ReasonPrompts

    def train_cases(self, split: Split, recipe: Recipe) -> Iterable[EvalExample]:
        """The training cases; with ``training.answers`` those that have an answer of the teacher."""
        cases = super().train_cases(split, recipe)
        if recipe.training.answers is None:
            return cases
        answers = read_answers(resolve(recipe.training.answers))
        return [case for case in cases if (case.history.user_id, len(case.history.items)) in answers]

    def learned_prompts(self, prompts: PromptBuilder, recipe: Recipe) -> PromptBuilder:
        """The prompts with the answers of ``training.answers``."""
        if recipe.training.answers is None:
            return prompts
        assert isinstance(prompts, ReasonPrompts)  # `prompts` of this task
        answers = read_answers(resolve(recipe.training.answers))
        unknown = next((answer.item for answer in answers.values() if answer.item not in prompts.catalogue), None)
        if unknown is not None:
            raise PromptError(
                f"the catalogue has no item {unknown[:80]!r}",
                where=recipe.training.answers,
                hint="use the dataset's ids",
            )
        return prompts.with_answers(answers)

    def recommender(self, model: LanguageModel, prompts: PromptBuilder, recipe: Recipe, folder: Path) -> Recommender:  # noqa: ARG002
        """Scores each product by the probability of its title and reason."""
        from shoptalk.recommend.options import LanguageModelRecommender

        return LanguageModelRecommender(model, prompts, recipe.evaluation.scoring)

    def recommendation_texts(self, prompts: PromptBuilder, history: History, ranked: RankedList) -> Sequence[str]:
        """Each recommended product with its reason."""
        assert isinstance(prompts, ReasonPrompts)  # `prompts` of this task
        return [prompts.reason(history, item, as_listed=True) for item in ranked.items]

    def evaluate_texts(self, evaluation: Evaluation) -> TaskResult:
        """Evaluate the recommended titles, and whether the reasons are the true ones."""
        from shoptalk.tasks.evaluate_texts import evaluate_texts

        prompts: ReasonPrompts = evaluation.recommender.builder
        return evaluate_texts(
            evaluation, recommended, lambda case, item: prompts.reason(case.history, item), has_reason
        )


TASK = GenerateReason()
