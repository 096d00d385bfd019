"""The transition-text scorer: item-to-item transitions and the items' text, added to the scores of a model.

A model of a few million weights cannot hold every pair of purchases, nor every rare word. As in language models that
look up nearest neighbours (U. Khandelwal et al., "Generalization through memorization", ICLR 2020), its scores are
added to those of a method that counts: here a weighted graph of transitions, and TF-IDF vectors of the items' text. The
weights of both are chosen on validation cases.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy import sparse

from shoptalk.errors import ModelError
from shoptalk.graph.cold_start import propagate_cold_start_edges
from shoptalk.graph.interactions import Floats, InteractionMatrix, product
from shoptalk.graph.transition_text import transition_text_scores
from shoptalk.graph.transitions import Graph, edges

CARD, TABLES = "transition_text.json", "transition_text.safetensors"


@dataclass(frozen=True, slots=True)
class MixingWeights:
    """How the graph of transitions is built, and with which weights the scores are mixed.

    ``edges`` * log(1 + ``sharpness`` * e) + ``words`` * w, where e sums the edges from the history's items, each
    weighing ``decay`` times the one bought after it, and w their cosines, with a decay of ``word_decay``. An item
    without interactions gets ``cold_start_bonus`` on top, as its embedding has no residual.
    """

    edges: float = 1.0
    words: float = 3.0
    sharpness: float = 10.0
    decay: float = 0.6
    word_decay: float = 0.5
    gap: float = 0.9
    back: float = 0.2
    source_exponent: float = 0.5
    option: float = 0.15
    cold_start_bonus: float = 0.0

    @property
    def graph(self) -> Graph:
        """How purchases become edges."""
        return Graph(self.gap, self.back, self.source_exponent, self.option)


class TransitionTextScorer:
    """Scores all items by transitions from the items of a history, and by the similarity of their text.

    Parameters
    ----------
    graph
        (I, I) edges, built from the purchases by ``mixing.graph``.
    words
        (I, W) a row of length 1 (or 0) for each item, sparse or dense.
    has_interactions
        (I,) which items have training interactions.
    """

    def __init__(
        self,
        graph: sparse.csr_array[Any],
        words: Any,
        has_interactions: NDArray[np.bool_],
        mixing: MixingWeights = MixingWeights(),
    ) -> None:
        self.graph, self.mixing = graph, mixing
        self.words: Any = words
        self.has_interactions = has_interactions
        self.turned: Any = self.words.T.tocsr() if sparse.issparse(words) else self.words.T

    def scores(self, purchases: InteractionMatrix) -> Floats:
        """What is added to a model's scores (B, I) for the histories of B users."""
        mixing = self.mixing
        return self.combined(
            self.transition_scores(purchases) if mixing.edges else None,
            self.text_scores(purchases) if mixing.words else None,
            (purchases.rows, self.graph.shape[0]),
            self.has_interactions,
        )

    def transition_scores(self, purchases: InteractionMatrix) -> Floats:
        """(B, I) sums of the edges from each history's items, which ``decay``."""
        return product(purchases.weighted(self.mixing.decay), self.graph)

    def text_scores(self, purchases: InteractionMatrix) -> Floats:
        """(B, I) sums of the cosines with the words of each history's items, which have a decay of their own."""
        scores: Any = purchases.weighted(self.mixing.word_decay) @ self.words @ self.turned
        return np.asarray(scores.toarray() if hasattr(scores, "toarray") else scores, dtype=np.float32)

    def combined(
        self,
        transition_scores: Floats | None,
        text_scores: Floats | None,
        shape: tuple[int, ...],
        has_interactions: NDArray[np.bool_],
    ) -> Floats:
        """The scores (..., C) of C items from both parts; a part with weight zero may be None."""
        mixing = self.mixing
        return transition_text_scores(
            shape,
            transition_scores,
            text_scores,
            transition_weight=mixing.edges,
            text_weight=mixing.words,
            sharpness=mixing.sharpness,
            cold_start_weight=mixing.cold_start_bonus,
            cold_start=~has_interactions,
        )

    def with_mixing(self, mixing: MixingWeights, purchases: InteractionMatrix) -> "TransitionTextScorer":
        """The scorer of the same items with other weights; ``purchases`` is what its graph is made of."""
        if mixing.graph == self.mixing.graph:
            return TransitionTextScorer(self.graph, self.words, self.has_interactions, mixing)
        return fit_transition_text_scorer(purchases, self.words, mixing)

    def extended(self, words: Any) -> "TransitionTextScorer":
        """The scorer with new items added: they have text, and get transitions from the items most similar to them."""
        count = self.graph.shape[0] + words.shape[0]
        graph: Any = sparse.csr_array(self.graph, copy=True)
        graph.resize((count, count))
        stack: Any = sparse.vstack if sparse.issparse(words) else np.vstack
        both = stack([self.words, words])
        if hasattr(both, "tocsr"):
            both = both.tocsr()
        old = np.arange(count) < self.graph.shape[0]
        return TransitionTextScorer(
            propagate_cold_start_edges(graph, both, old),
            both,
            np.append(self.has_interactions, np.zeros(words.shape[0], bool)),
            self.mixing,
        )


def fit_transition_text_scorer(purchases: InteractionMatrix, words: Any, mixing: MixingWeights) -> TransitionTextScorer:
    """The scorer of the given purchases; items without any get transitions from the items most similar to them."""
    has_interactions = purchases.counts() > 0
    return TransitionTextScorer(
        propagate_cold_start_edges(edges(purchases, mixing.graph), words, has_interactions),
        words,
        has_interactions,
        mixing,
    )


def save_transition_text(scorer: TransitionTextScorer, folder: Path) -> None:
    """Write the tables and the mixing weights into an existing folder."""
    tensors = {"known": scorer.has_interactions.astype(np.uint8)}
    tensors |= {f"graph.{name}": value for name, value in _parts(scorer.graph).items()}
    if sparse.issparse(scorer.words):
        tensors |= {f"words.{name}": value for name, value in _parts(scorer.words).items()}
    else:
        tensors["words"] = np.ascontiguousarray(scorer.words)
    save_file(tensors, folder / TABLES)
    (folder / CARD).write_text(json.dumps(asdict(scorer.mixing)), encoding="utf-8")


def load_transition_text(folder: Path) -> TransitionTextScorer | None:
    """The scorer of a saved model; None if it has none.

    Raises
    ------
    ModelError
        When it is damaged.
    """
    if not (folder / CARD).exists():
        return None
    try:
        mixing = MixingWeights(**json.loads((folder / CARD).read_text(encoding="utf-8")))
        tensors = load_file(folder / TABLES)
        words: Any = tensors["words"] if "words" in tensors else _matrix(tensors, "words")
        return TransitionTextScorer(_matrix(tensors, "graph"), words, tensors["known"].astype(np.bool_), mixing)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, RecursionError) as error:
        raise ModelError(f"the scorer is damaged: {error}", where=str(folder), hint="train again") from error


def _parts(matrix: Any) -> dict[str, NDArray[Any]]:
    return {
        "data": matrix.data.astype(np.float32),
        "indices": matrix.indices.astype(np.int32),
        "indptr": matrix.indptr.astype(np.int64),
        "shape": np.array(matrix.shape, dtype=np.int64),
    }


def _matrix(tensors: dict[str, Any], name: str) -> sparse.csr_array[Any]:
    data, indices, indptr, shape = (tensors[f"{name}.{part}"] for part in ("data", "indices", "indptr", "shape"))
    matrix: Any = sparse.csr_array((data, indices, indptr), shape=tuple(shape.tolist()))
    matrix.check_format(full_check=True)  # a damaged index would read beyond the arrays
    return matrix
