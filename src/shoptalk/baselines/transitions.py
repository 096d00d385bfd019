"""Transitions: items bought one or two steps after those of the history, and similarity of text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from scipy import sparse

from shoptalk.baselines._catalogue import PurchaseRecommender, fallback, final_purchases, training_purchases
from shoptalk.baselines.text_knn import Texts
from shoptalk.baselines.tuning import RankingValidation, Score, tune
from shoptalk.graph.interactions import Floats, InteractionMatrix, item_index_of, product, strongest
from shoptalk.graph.transition_text import transition_text_scores
from shoptalk.graph.transitions import Graph, edges
from shoptalk.schema import Catalogue, Split

#: The number of items one step away from which second steps are made.
SECOND_STEP_SOURCES = 50


@dataclass(frozen=True, slots=True)
class Settings:
    """How edges and cosines of texts become scores.

    With ``how = "mix"``, a score is the sum of the edges from the items of the history, plus ``second`` times the paths
    of two edges, plus ``text`` times the cosines. ``decay`` is the weight of an item of the history relative to the
    next one for edges, ``text_decay`` for cosines. ``gap``, ``back``, ``source_exponent`` and ``option`` are those of
    the `Graph`.

    With ``how = "rings"``, items one step from the last ``sources`` purchases come first, then items two steps away,
    then all others, each group in order of the cosine with these purchases. The other settings are not used.
    """

    how: Literal["mix", "rings"] = "mix"
    sources: int = 2
    text: float = 0.4
    decay: float = 0.6
    gap: float = 0.9
    back: float = 0.4
    source_exponent: float = 0.5
    option: float = 0.15
    second: float = 0.0
    text_decay: float = 0.5

    @property
    def graph(self) -> Graph:
        """The settings of the edges; for ``rings`` these link adjacent purchases in both directions."""
        return (
            Graph(0, 1, 0, 0) if self.how == "rings" else Graph(self.gap, self.back, self.source_exponent, self.option)
        )


GRID: dict[str, Sequence[float | int | str]] = {
    "gap": (0.0, 0.5, 0.7, 0.9, 1.0),
    "text": (0.0, 0.1, 0.2, 0.4, 0.8, 1.6),
    "option": (0.0, 0.15, 0.3, 0.5),
    "source_exponent": (0.3, 0.5, 0.7),
    "back": (0.0, 0.2, 0.4, 0.7, 1.0),
    "decay": (0.4, 0.5, 0.6, 0.7),
    "text_decay": (0.4, 0.5, 0.6, 0.7, 0.9),
    "second": (0.0, 0.1),
}


class Transitions(PurchaseRecommender):
    """Scores an item by the edges that lead to it and by its text; nothing is trained.

    ``rings`` is the graph heuristic of H. Han et al., "An Embarrassingly Simple Graph Heuristic Reveals
    Shortcut-Solvable Benchmarks for Sequential Recommendation", arXiv 2605.07125, with TF-IDF in place of a language
    model's vectors. ``mix`` adds edges and cosines, and uses more of the history; with ``gap = back = 1`` it contains
    item-kNN.

    Parameters
    ----------
    purchases
        The purchases that popularity is counted in, for items without edges and common words.
    edges
        The graph (I, I) that ``settings.graph`` makes of the purchases.
    texts
        The items' vectors.
    items
        Ids of the I items of the catalogue.
    """

    name = "transitions"

    def __init__(
        self,
        purchases: InteractionMatrix,
        edges: sparse.csr_array[Any],
        texts: Texts,
        items: Sequence[str],
        settings: Settings = Settings(),
    ) -> None:
        self.items = tuple(items)
        self.settings = settings
        self._fallback = fallback(purchases)
        self._edges, self._texts = edges, texts

    def score_purchases(self, purchases: InteractionMatrix) -> Floats:
        """Scores (B, I)."""
        scores = self._rings(purchases) if self.settings.how == "rings" else self._mix(purchases)
        return scores + self._fallback

    def _mix(self, purchases: InteractionMatrix) -> Floats:
        """Weighted sums (B, I) of edges, paths of two edges and cosines."""
        settings = self.settings
        weights = purchases.weighted(settings.decay)
        scores = product(weights, self._edges)
        if settings.second:
            near = strongest(sparse.csr_array(weights @ self._edges), SECOND_STEP_SOURCES)
            scores += np.float32(settings.second) * product(near, self._edges)
        texts = self._texts.similar(purchases.weighted(settings.text_decay)) if settings.text else None
        return transition_text_scores(scores.shape, scores, texts, transition_weight=1.0, text_weight=settings.text)

    def _rings(self, purchases: InteractionMatrix) -> Floats:
        """Scores (B, I): 4 for items one step away, 2 for items two steps away, plus the mean cosine."""
        last = purchases.weighted(last=self.settings.sources)  # (B, I) of ones
        near = sparse.csr_array(last @ self._edges)
        one_step, two_steps = near.toarray() > 0, product(near, self._edges) > 0
        # A mean cosine is at most 1, so that it orders the items of a ring and never moves one to another ring.
        count = np.maximum(last.sum(axis=1), 1).astype(np.float32)[:, None]
        ring = np.where(one_step, np.float32(4), np.where(two_steps, np.float32(2), np.float32(0)))
        scores: Floats = ring + self._texts.similar(last) / count
        return scores


def learn(split: Split, catalogue: Catalogue, seed: int) -> Transitions:
    """Choose the settings on validation cases, then learn from the purchases of the final fit."""
    item_index, texts = item_index_of(catalogue), Texts.of(catalogue)
    score, eval_data = _validation(split, item_index, texts, seed)
    best = tune(Settings(), GRID, score, eval_data)
    best = tune(best, {"how": ("rings",), "sources": (1,)}, score, eval_data, rounds=1)
    final = final_purchases(split, item_index)
    return Transitions(final, edges(final, best.graph), texts, tuple(catalogue), best)


def choose_mix(split: Split, item_index: Mapping[str, int], texts: Texts, seed: int) -> Settings:
    """The settings of ``mix`` with the best NDCG@10 on validation cases; the default ones without cases."""
    if not split.validation:
        return Settings()
    return tune(Settings(), GRID, *_validation(split, item_index, texts, seed))


def _validation(
    split: Split, item_index: Mapping[str, int], texts: Texts, seed: int
) -> tuple[Callable[[Settings], Score], RankingValidation]:
    """What scores with given settings, learned from training purchases only, and the cases that judge it."""
    train, items = training_purchases(split, item_index), tuple(item_index)

    @lru_cache(maxsize=2)
    def graph(graph_settings: Graph) -> sparse.csr_array[Any]:
        return edges(train, graph_settings)

    def score(settings: Settings) -> Score:
        return Transitions(train, graph(settings.graph), texts, items, settings).score_purchases

    return score, RankingValidation(split.validation, item_index, seed)
