"""Id lists: write the tokens of the next ten items (system D)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shoptalk.prompts.builder import HISTORY, PromptBuilder
from shoptalk.prompts.template import Template
from shoptalk.recipe import Prompt, Recipe
from shoptalk.schema import (
    LIST_LENGTH,
    NO_ITEM,
    Catalogue,
    EvalExample,
    History,
    Message,
    Recommender,
    Split,
    item_token,
)
from shoptalk.tasks.rankings import RankingTask

if TYPE_CHECKING:
    from shoptalk.models.language_model import LanguageModel

#: As published, for a history of one item.
INSTRUCTION = Template(
    "list",
    "A reviewer has bought the product below. Considering its details, list the ids of the ten products that they will "
    "buy next.",
)
HISTORY_INSTRUCTION = Template(
    "list, history",
    HISTORY + "Considering their purchase history, list the ids of the ten products that they will buy next.",
)


class IdListPrompts(PromptBuilder):
    """The history; the answer is a list of ten item tokens."""

    def instruction(self, history: History) -> Message:  # noqa: ARG002
        """List the next ten."""
        return Message("system", (INSTRUCTION if self.prompt.history == 1 else HISTORY_INSTRUCTION).render())

    def answer(self, case: EvalExample, *, latest: int | None = None) -> Message:  # noqa: ARG002
        """The list of what came next."""
        return Message("assistant", self.id_list(case.targets))

    def id_list(self, items: Sequence[str]) -> str:
        """The first ten items as their tokens; fewer are filled up as ``prompt.padding`` says."""
        listed = list(items[:LIST_LENGTH])
        if self.prompt.padding == "repeat":
            listed = [listed[index % len(listed)] for index in range(LIST_LENGTH)]
        elif self.prompt.padding == "token":
            listed += [NO_ITEM] * (LIST_LENGTH - len(listed))
        return " ".join(map(item_token, listed))


class GenerateIds(RankingTask):
    """Write a list of item tokens."""

    name = "generate_ids"
    summary = "write the tokens of the next ten items"
    prompts = IdListPrompts
    learns_choices = False

    def vocabulary(self, prompt: Prompt, catalogue: Catalogue) -> list[str]:
        """All items, and what fills up a list where the recipe says that a token does."""
        return [*catalogue, NO_ITEM] if prompt.padding == "token" else [*catalogue]

    def train_cases(self, split: Split, recipe: Recipe) -> Iterable[EvalExample]:
        """What each user had up to a purchase, and the up to ten that came next."""
        return list_cases(split.train, every=recipe.training.targets == "every")

    def recommender(self, model: LanguageModel, prompts: PromptBuilder, recipe: Recipe, folder: Path) -> Recommender:  # noqa: ARG002
        """Writes lists that are held to items not in the history and not written before."""
        from shoptalk.recommend.listing import ListRecommender

        return ListRecommender(model, prompts)


def list_cases(histories: Iterable[History], *, every: bool) -> Iterable[EvalExample]:
    """Cases of this task: what each user had up to a purchase, and the up to ten that came next.

    Parameters
    ----------
    histories
        What may be learned from; nothing beyond them is in any answer.
    every
        Ask after every purchase but a user's last, else only where the user's last ten (or all but the first) follow.
    """
    for history in histories:
        last = len(history.items) - 1
        first = 0 if every else max(0, last - LIST_LENGTH)
        for index in range(first, last if every else min(last, first + 1)):
            before = History(history.user_id, history.items[: index + 1], history.reviews[: index + 1])
            yield EvalExample(before, history.items[index + 1 : index + 1 + LIST_LENGTH])


TASK = GenerateIds()
