"""Scores of options by the log-odds that the user likes each of them."""

from collections.abc import Sequence
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from shoptalk.models.language_model import LanguageModel
from shoptalk.models.tree import Question
from shoptalk.progress import Notify, quiet
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.questions import NOBODY, fitted_question
from shoptalk.recommend.log_probabilities import log_probabilities
from shoptalk.recommend.options import LanguageModelRecommender
from shoptalk.schema import Candidates, History, Message

YES_NO = (Message("assistant", "Yes"), Message("assistant", "No"))


class ItemQuestions(Protocol):
    """Prompts that ask about one item."""

    def ask_item(self, history: History, item_id: str, *, latest: int | None = None) -> list[Message]:
        """The question whether the user will like an item."""
        ...


class PointwiseRecommender(LanguageModelRecommender):
    """A language model that answers Yes or No about one item at a time.

    Parameters
    ----------
    model, scoring
        See `LanguageModelRecommender`.
    builder
        The prompt builder of its training; its prompts ask about one item (see `ItemQuestions`).
    """

    def __init__(self, model: LanguageModel, builder: PromptBuilder, scoring: str) -> None:
        super().__init__(model, builder, scoring)
        self.score_unit = "log-odds"

    def score(
        self, histories: Sequence[History], candidates: Sequence[Candidates], notify: Notify = quiet
    ) -> list[NDArray[np.float64]]:
        """Log-odds that each user likes each option (see `Recommender`)."""
        pairs = [
            (history, item) for history, options in zip(histories, candidates, strict=True) for item in options.items
        ]
        odds = self.odds([history for history, _ in pairs], [item for _, item in pairs], notify)
        return np.split(odds, np.cumsum([len(options.items) for options in candidates])[:-1])

    def odds(self, histories: Sequence[History], items: Sequence[str], notify: Notify = quiet) -> NDArray[np.float64]:
        """Log-odds that each user likes an item: log P(Yes) - log P(No), (B,); with ``pmi`` less those of no user."""
        encoded = [self.ask_item(history, item) for history, item in zip(histories, items, strict=True)]
        self.cut = sum(cut for _, cut in encoded)
        tokens = log_probabilities(self.model, [question for question, _ in encoded], notify)
        scores = np.array([self.reduce(answers) for answers in tokens], dtype=np.float64).reshape(-1, 2)
        if self.scoring == "pmi":
            scores -= np.array(self.prior.sums([self.ask_item(NOBODY, item)[0] for item in items])).reshape(-1, 2)
        return np.asarray(scores[:, 0] - scores[:, 1])

    def ask_item(self, history: History, item_id: str) -> tuple[Question, bool]:
        """The token ids of the prompt about an item and of Yes and No, and whether the history was shortened."""
        return fitted_question(
            lambda prompts, latest: cast(ItemQuestions, prompts).ask_item(history, item_id, latest=latest),
            lambda *_: YES_NO,
            self.builder,
            self.model.tokenizer,
            history,
        )
