"""The transition-text scorer: item-to-item transitions and the items' text, added to the scores of a model.

A model of a few million weights cannot hold every pair of purchases, nor every rare word. As in language models that
look up nearest neighbours (U. Khandelwal et al., "Generalization through memorization", ICLR 2020), its scores are
added to those of a method that counts: here a weighted graph of transitions, and TF-IDF vectors of the items' text. The
weights of both are chosen on validation cases.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy import sparse

from shoptalk.errors import ModelError
from shoptalk.graph.cold_start import propagate_cold_start_edges
from shoptalk.graph.interactions import Floats, InteractionMatrix, cosine_sums, product
from shoptalk.graph.transition_text import transition_text_scores
from shoptalk.graph.transitions import Graph, edges

#: Tensors by name, of a safetensors file.
TensorReader = Callable[[Path], dict[str, NDArray[Any]]]

CARD, TABLES = "transition_text.json", "transition_text.safetensors"


@dataclass(frozen=True, slots=True)
class MixingWeights:
    """How the graph of transitions is built, and with which weights the scores are mixed.

    The score of an item is ``edges * log(1 + sharpness * e) + words * w``. Here e is the sum of the edges from the
    items of the history to it, with the weight ``decay`` of an item relative to the next one, and w the sum of the
    cosines of their texts, with ``word_decay``. ``cold_start_bonus`` is added for an item without interactions, because
    its embedding has no residual. The names of the fields are keys of ``transition_text.json``.
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
        """The settings of the edges."""
        return Graph(self.gap, self.back, self.source_exponent, self.option)


class TransitionTextScorer:
    """Scores all items by transitions from the items of a history, and by the similarity of their text.

    Parameters
    ----------
    graph
        (I, I) edges, built from the purchases by ``mixing.graph``.
    text_vectors
        (I, W) a vector of length 1 (or 0) for the text of each item, sparse or dense.
    has_interactions
        (I,) which items have training interactions.
    mixing
        The weights of both parts.
    """

    def __init__(
        self,
        graph: sparse.csr_array[Any],
        text_vectors: Any,
        has_interactions: NDArray[np.bool_],
        mixing: MixingWeights = MixingWeights(),
    ) -> None:
        self.graph, self.mixing = graph, mixing
        self.text_vectors: Any = text_vectors
        self.has_interactions = has_interactions

    @cached_property
    def transposed_vectors(self) -> Any:
        """(W, I) the text vectors by word."""
        transposed: Any = self.text_vectors.T
        return transposed.tocsr() if sparse.issparse(self.text_vectors) else transposed

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
        """(B, I) sums of the edges from each history's items, weighted by ``decay``."""
        return product(purchases.weighted(self.mixing.decay), self.graph)

    def text_scores(self, purchases: InteractionMatrix) -> Floats:
        """(B, I) sums of the cosines with the texts of each history's items, weighted by ``word_decay``."""
        return cosine_sums(purchases.weighted(self.mixing.word_decay), self.text_vectors)

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
        """The scorer of the same items with other weights; its graph is built from ``purchases`` where it changes."""
        if mixing.graph == self.mixing.graph:
            return TransitionTextScorer(self.graph, self.text_vectors, self.has_interactions, mixing)
        return fit_transition_text_scorer(purchases, self.text_vectors, mixing)

    def extended(self, text_vectors: Any) -> "TransitionTextScorer":
        """The scorer with new items (N,), given their text vectors (N, W).

        New items get transitions from the items with the most similar text.
        """
        count = self.graph.shape[0] + text_vectors.shape[0]
        graph: Any = sparse.csr_array(self.graph, copy=True)
        graph.resize((count, count))
        stack: Any = sparse.vstack if sparse.issparse(text_vectors) else np.vstack
        all_vectors = stack([self.text_vectors, text_vectors])
        if hasattr(all_vectors, "tocsr"):
            all_vectors = all_vectors.tocsr()
        is_old = np.arange(count) < self.graph.shape[0]
        return TransitionTextScorer(
            propagate_cold_start_edges(graph, all_vectors, is_old),
            all_vectors,
            np.append(self.has_interactions, np.zeros(text_vectors.shape[0], bool)),
            self.mixing,
        )


def fit_transition_text_scorer(
    purchases: InteractionMatrix, text_vectors: Any, mixing: MixingWeights
) -> TransitionTextScorer:
    """The scorer of purchases; items without interactions get transitions from the items with the most similar text."""
    has_interactions = purchases.counts() > 0
    return TransitionTextScorer(
        propagate_cold_start_edges(edges(purchases, mixing.graph), text_vectors, has_interactions),
        text_vectors,
        has_interactions,
        mixing,
    )


def save_transition_text(scorer: TransitionTextScorer, folder: Path) -> None:
    """Write the tables and the mixing weights into an existing folder."""
    tensors = {"known": scorer.has_interactions.astype(np.uint8)}
    tensors |= {f"graph.{name}": value for name, value in _parts(scorer.graph).items()}
    if sparse.issparse(scorer.text_vectors):
        tensors |= {f"words.{name}": value for name, value in _parts(scorer.text_vectors).items()}
    else:
        tensors["words"] = np.ascontiguousarray(scorer.text_vectors)
    save_file(tensors, folder / TABLES)
    (folder / CARD).write_text(json.dumps(asdict(scorer.mixing)), encoding="utf-8")


def load_transition_text(folder: Path, read: TensorReader = load_file) -> TransitionTextScorer | None:
    """The scorer of a saved model; None if it has none.

    ``read`` gives the tensors of a file, in memory or mapped.

    Raises
    ------
    ModelError
        When it is damaged.
    """
    if not (folder / CARD).exists():
        return None
    try:
        mixing = MixingWeights(**json.loads((folder / CARD).read_text(encoding="utf-8")))
        tensors = read(folder / TABLES)
        text_vectors: Any = tensors["words"] if "words" in tensors else _matrix(tensors, "words")
        has_interactions = tensors["known"].astype(np.bool_)
        return TransitionTextScorer(_matrix(tensors, "graph"), text_vectors, has_interactions, mixing)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, RecursionError) as error:
        raise ModelError(f"the scorer is damaged: {error}", where=str(folder), hint="train again") from error


def _parts(matrix: Any) -> dict[str, NDArray[Any]]:
    """The arrays of a sparse matrix, as `_matrix` reads them."""
    return {
        "data": matrix.data.astype(np.float32),
        "indices": matrix.indices.astype(np.int32),
        "indptr": matrix.indptr.astype(np.int64),
        "shape": np.array(matrix.shape, dtype=np.int64),
    }


def _matrix(tensors: dict[str, Any], name: str) -> sparse.csr_array[Any]:
    """The sparse matrix whose arrays are stored as ``name.data`` and so on."""
    data, indices, indptr, shape = (tensors[f"{name}.{part}"] for part in ("data", "indices", "indptr", "shape"))
    matrix: Any = sparse.csr_array((data, indices, indptr), shape=tuple(shape.tolist()))
    matrix.check_format(full_check=True)  # a damaged index would read beyond the arrays
    return matrix
