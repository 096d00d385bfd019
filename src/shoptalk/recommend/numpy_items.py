"""Recommending with item tokens in NumPy: for single histories, without importing torch."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.models.numpy_model import NumpyModel
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.recommend.item_scores import ItemTokenRecommender
from shoptalk.recommend.transition_text import TransitionTextScorer
from shoptalk.schema import History

#: Most histories that the layers take at once.
BATCH = 64


class NumpyItemRecommender(ItemTokenRecommender):
    """A model with item tokens (see `ItemTokenRecommender`)."""

    def __init__(self, model: NumpyModel, builder: PromptBuilder, scorer: TransitionTextScorer | None = None) -> None:
        super().__init__(model, builder, model.ids, scorer)
        self.model = model

    def score_all(self, histories: Sequence[History]) -> NDArray[np.float32]:
        """Scores (B, I) of all items: the logits of their tokens plus the scores of the scorer."""
        prompts = [self.ask(history)[0] or [self.model.tokenizer.pad_id] for history in histories]
        # Batches of about equal lengths, so that little is computed for padding.
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        states = np.empty((len(prompts), self.model.vectors.shape[1]), dtype=np.float32)
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            states[chosen] = self.model.states([prompts[index] for index in chosen])
        scores = states @ self.model.vectors.T + self.model.biases
        if self.scorer is not None:
            scores += self.scorer.scores(InteractionMatrix.of(histories, self.item_index))
        return np.asarray(scores, dtype=np.float32)
