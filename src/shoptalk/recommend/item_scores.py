"""What recommenders with item tokens share, whichever library computes the model."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shoptalk.errors import ModelError
from shoptalk.progress import Notify, quiet
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.encode import Tokenizer
from shoptalk.prompts.questions import open_question
from shoptalk.ranking import CatalogueRecommender
from shoptalk.recommend.transition_text import TransitionTextScorer
from shoptalk.schema import Candidates, History


class ItemModel(Protocol):
    """The parts of a model that questions need."""

    @property
    def tokenizer(self) -> Tokenizer:
        """Its tokenizer."""
        ...

    @property
    def longest(self) -> int:
        """Most tokens that it can read."""
        ...


class ItemTokenRecommender(CatalogueRecommender):
    """A language model with item tokens: subclasses define ``score_all``.

    Parameters
    ----------
    model, builder
        The model, and the prompt builder of its training.
    items
        Ids of its I items, in the order of their tokens.
    scorer
        A scorer of the same items, whose scores are added to the model's.
    """

    name = "model"
    score_unit = "logit"
    model: Any  # for samples and benchmarks

    def __init__(
        self,
        model: ItemModel,
        builder: PromptBuilder,
        items: Sequence[str],
        scorer: TransitionTextScorer | None = None,
    ) -> None:
        self._reader, self.builder, self.items, self.scorer = model, builder, items, scorer
        self.history_limit = math.inf if scorer is not None else builder.prompt.history

    def ask(self, history: History) -> tuple[list[int], bool]:
        """The token ids of the prompt for a history, and whether the history was shortened."""
        return open_question(self.builder, self._reader.tokenizer, history, 1, self._reader.longest)

    def score(
        self, histories: Sequence[History], candidates: Sequence[Candidates], notify: Notify = quiet
    ) -> list[NDArray[np.float64]]:
        """Scores of each history's options (see `Recommender`).

        Raises
        ------
        ModelError
            For an option without a token.
        """
        for options in candidates:
            for item in options.items:
                if item not in self.item_index:
                    raise ModelError(f"the model has no token for item {item!r}", hint="shoptalk catalogue add")
        return super().score(histories, candidates, notify)
