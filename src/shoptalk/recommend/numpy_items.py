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


class NumpyItemRecommender(ItemTokenRecommender):
    """A model with item tokens that computes one history after another (see `ItemTokenRecommender`)."""

    def __init__(self, model: NumpyModel, builder: PromptBuilder, scorer: TransitionTextScorer | None = None) -> None:
        super().__init__(model, builder, model.ids, scorer)
        self.model = model

    def score_all(self, histories: Sequence[History]) -> NDArray[np.float32]:
        """Scores (B, I) of all items: the logits of their tokens plus the scores of the scorer."""
        prompts = [self.ask(history)[0] or [self.model.tokenizer.pad_id] for history in histories]
        states = np.array([self.model.state(prompt) for prompt in prompts], dtype=np.float32)
        scores = states.reshape(len(prompts), -1) @ self.model.vectors.T + self.model.biases
        if self.scorer is not None:
            scores += self.scorer.scores(InteractionMatrix.of(histories, self.item_index))
        return np.asarray(scores, dtype=np.float32)
