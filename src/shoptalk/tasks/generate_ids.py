"""The task `generate_ids`: write the tokens of the next ten items (system D)."""

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

#: The published wording, for a history of one item.
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
    """Prompts with the history; the answer is a list of ten item tokens."""

    def instruction(self, history: History) -> Message:  # noqa: ARG002
        """The request for the next ten items."""
        return Message("system", (INSTRUCTION if self.prompt.history == 1 else HISTORY_INSTRUCTION).render())

    def answer(self, case: EvalExample, *, latest: int | None = None) -> Message:  # noqa: ARG002
        """The list of the next items."""
        return Message("assistant", self.id_list(case.targets))

    def id_list(self, items: Sequence[str]) -> str:
        """The tokens of the first ten items; shorter lists are padded as ``prompt.padding`` says."""
        listed = list(items[:LIST_LENGTH])
        if self.prompt.padding == "repeat":
            listed = [listed[index % len(listed)] for index in range(LIST_LENGTH)]
        elif self.prompt.padding == "token":
            listed += [NO_ITEM] * (LIST_LENGTH - len(listed))
        return " ".join(map(item_token, listed))


class GenerateIds(RankingTask):
    """Write a list of item tokens."""

    name = "generate_ids"
    reads_graph = True
    summary = "write the tokens of the next ten items"
    prompts = IdListPrompts
    learns_choices = False

    def vocabulary(self, prompt: Prompt, catalogue: Catalogue) -> list[str]:
        """All items, and the padding token if ``prompt.padding`` is ``token``."""
        return [*catalogue, NO_ITEM] if prompt.padding == "token" else [*catalogue]

    def train_cases(self, split: Split, recipe: Recipe) -> Iterable[EvalExample]:
        """See `list_cases`."""
        return list_cases(split.train, every=recipe.training.targets == "every")

    def recommender(self, model: LanguageModel, prompts: PromptBuilder, recipe: Recipe, folder: Path) -> Recommender:  # noqa: ARG002
        """Generates lists of items that are not in the history, without repeats."""
        from shoptalk.recommend.listing import ListRecommender

        return ListRecommender(model, prompts)


def list_cases(histories: Iterable[History], *, every: bool) -> Iterable[EvalExample]:
    """Cases of this task: a history up to a purchase, with the next purchases, at most ten, as targets.

    Parameters
    ----------
    histories
        The training histories.
    every
        One case for every purchase but a user's last; else one case a user, whose targets are the last ten purchases
        (or all but the first).
    """
    for history in histories:
        last = len(history.items) - 1
        first = 0 if every else max(0, last - LIST_LENGTH)
        for index in range(first, last if every else min(last, first + 1)):
            shown = History(history.user_id, history.items[: index + 1], history.reviews[: index + 1])
            yield EvalExample(shown, history.items[index + 1 : index + 1 + LIST_LENGTH])


TASK = GenerateIds()
