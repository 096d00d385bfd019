"""Transitions: where users went from the last purchases, one or two steps, and how alike the words are."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from scipy import sparse

from shoptalk.baselines._catalogue import PurchaseRecommender, fallback, learned_again, learned_from
from shoptalk.baselines.text_knn import Texts
from shoptalk.baselines.tuning import RankingValidation, Score, tune
from shoptalk.graph.interactions import Floats, InteractionMatrix, item_index_of, product, strongest
from shoptalk.graph.transition_text import transition_text_scores
from shoptalk.graph.transitions import Graph, edges
from shoptalk.schema import Catalogue, Split

#: How many of the items one step away are gone on from.
GONE_ON_FROM = 50


@dataclass(frozen=True, slots=True)
class Settings:
    """How edges and words become scores.

    ``mix``: the edges from the items of the history, each weighing ``decay`` times the one bought after it, plus
    ``second`` times the paths of two edges, plus ``text`` times the cosines, whose own decay is ``text_decay``.
    ``rings``: first the items one step from the ``sources`` last purchases, then those two steps away, then the
    others, each by their cosine with those purchases; it leaves the other fields aside.
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
        """What the edges are; of ``rings``, the direct neighbours on either side."""
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
    """Scores an item by the edges that lead to it, and by its words; nothing is trained.

    The graph heuristic of H. Han et al., "An Embarrassingly Simple Graph Heuristic Reveals Shortcut-Solvable Benchmarks
    for Sequential Recommendation", arXiv 2605.07125, is ``rings`` (with TF-IDF in place of a language model's
    vectors). ``mix`` adds the two up, and looks at more of the history; with ``gap = back = 1`` it holds item-kNN too.

    Parameters
    ----------
    purchases
        What popularity is told from, for items that neither edges nor words lead to.
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
        self._least = fallback(purchases)
        self._edges, self._texts = edges, texts

    def score_purchases(self, purchases: InteractionMatrix) -> Floats:
        """Scores (B, I)."""
        scores = self._rings(purchases) if self.settings.how == "rings" else self._mix(purchases)
        return scores + self._least

    def _mix(self, purchases: InteractionMatrix) -> Floats:
        settings = self.settings
        weights = purchases.weighted(settings.decay)
        scores = product(weights, self._edges)
        if settings.second:
            near = strongest(sparse.csr_array(weights @ self._edges), GONE_ON_FROM)
            scores += np.float32(settings.second) * product(near, self._edges)
        texts = self._texts.similar(purchases.weighted(settings.text_decay)) if settings.text else None
        return transition_text_scores(scores.shape, scores, texts, transition_weight=1.0, text_weight=settings.text)

    def _rings(self, purchases: InteractionMatrix) -> Floats:
        last = purchases.weighted(last=self.settings.sources)  # (B, I) of ones
        near = sparse.csr_array(last @ self._edges)
        one, two = near.toarray() > 0, product(near, self._edges) > 0
        # A mean cosine is at most 1, so that words order the items of a ring and never lift one into another.
        count = np.maximum(last.sum(axis=1), 1).astype(np.float32)[:, None]
        ring = np.where(one, np.float32(4), np.where(two, np.float32(2), np.float32(0)))
        scores: Floats = ring + self._texts.similar(last) / count
        return scores


def learn(split: Split, catalogue: Catalogue, seed: int) -> Transitions:
    """Choose the settings on validation cases, then learn from what the final fit sees."""
    item_index, items = item_index_of(catalogue), tuple(catalogue)
    train, texts = learned_from(split, item_index), Texts(catalogue)

    @lru_cache(maxsize=2)
    def graph(edges_of: Graph) -> sparse.csr_array[Any]:
        return edges(train, edges_of)

    def score(settings: Settings) -> Score:
        return Transitions(train, graph(settings.graph), texts, items, settings).score_purchases

    eval_data = RankingValidation(split.validation, item_index, seed)
    best = tune(Settings(), GRID, score, eval_data)
    best = tune(best, {"how": ("rings",), "sources": (1,)}, score, eval_data, rounds=1)
    again = learned_again(split, item_index)
    return Transitions(again, edges(again, best.graph), texts, items, best)
