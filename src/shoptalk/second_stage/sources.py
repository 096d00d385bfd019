"""Candidate sources: each scores all items for a block of histories by one method.

A new source is one class (or one line with another setting) and one entry in `default_sources`.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from shoptalk.baselines import transitions
from shoptalk.errors import ModelError
from shoptalk.graph.interactions import Floats, InteractionMatrix, cosine_sums, product, strongest
from shoptalk.graph.transition_text import transition_text_scores
from shoptalk.ranking import CatalogueRecommender
from shoptalk.recommend.transition_text import MixingWeights
from shoptalk.schema import History
from shoptalk.second_stage.tables import FACTORS, ItemTables

#: How scores are compared within a pool: by their ratio to the best, or, for logarithms, by the difference from it.
Scale = Literal["ratio", "difference"]
#: How many of the items one step away lead to a second step.
SECOND_STEP_FROM = 50
#: The mix of transitions and texts where no settings have been chosen.
UNTUNED = transitions.Settings()


class Block:
    """The histories of B users, and the scores of parts that several sources share, each computed once.

    Parameters
    ----------
    histories
        Of the B users.
    item_index
        Item id to its number in the tables.
    tables
        What is scored with.
    """

    def __init__(self, histories: Sequence[History], item_index: Mapping[str, int], tables: ItemTables) -> None:
        self.histories, self.tables = histories, tables
        self.purchases = InteractionMatrix.of(histories, item_index)
        self._parts: dict[Hashable, Any] = {}

    def part(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What ``make`` returns, called once for each key; the result must not be written to."""
        if key not in self._parts:
            self._parts[key] = make()
        return self._parts[key]

    def weights(self, decay: float, last: int | None = None) -> Any:
        """Sparse weights (B, I) of the items of each history; see `InteractionMatrix.weighted`."""
        return self.part(("weights", decay, last), lambda: self.purchases.weighted(decay, last))

    def edges(self, graph: str, decay: float, last: int | None) -> Any:
        """Sparse sums (B, I) of the edges from the items of each history."""
        return self.part(
            ("edges", graph, decay, last),
            lambda: self.weights(decay, last) @ self.tables.graphs[graph],
        )

    def dense_edges(self, graph: str, decay: float, last: int | None) -> Floats:
        """The same as an array."""
        return np.asarray(
            self.part(("dense", graph, decay, last), lambda: self.edges(graph, decay, last).toarray()), dtype=np.float32
        )

    def cosines(self, field: str, decay: float, last: int | None) -> Floats:
        """Sums (B, I) of the cosines with a history's items."""
        texts = self.tables.texts
        vectors: Any = getattr(texts, field)
        return np.asarray(
            # The two kinds of vectors are the same where the encoder has no words of its own.
            self.part(("cosines", id(vectors), decay, last), lambda: cosine_sums(self.weights(decay, last), vectors))
        )


class CandidateSource(Protocol):
    """Scores all items by one method.

    Attributes
    ----------
    name
        Of the source, in features, explanations and files.
    proposes
        Whether its best items become candidates; the others only give features.
    scale
        See `Scale`.
    """

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def proposes(self) -> bool:
        """Whether its best items become candidates."""
        ...

    @property
    def scale(self) -> Scale:
        """How its scores are compared."""
        ...

    def scores(self, block: Block) -> Floats:
        """Scores (B, I) for the histories of B users; 0 (or less) where nothing speaks for the item."""
        ...


@dataclass(frozen=True, slots=True)
class GraphSource:
    """Sums the edges from the items of a history, of which each weighs ``decay`` times the one bought after it.

    ``last`` restricts it to so many of the latest purchases; ``steps = 2`` goes on from the best items of the first
    step.
    """

    name: str
    graph: str
    decay: float = 0.6
    last: int | None = None
    steps: Literal[1, 2] = 1
    proposes: bool = True
    scale: Scale = "ratio"

    def scores(self, block: Block) -> Floats:
        """Scores (B, I), at least 0."""
        if self.steps == 1:
            return block.dense_edges(self.graph, self.decay, self.last)
        near = strongest(block.edges(self.graph, self.decay, self.last), SECOND_STEP_FROM)
        return product(near, block.tables.graphs[self.graph])


@dataclass(frozen=True, slots=True)
class TextSource:
    """Sums the cosines with the texts (or categories) of a history's items."""

    name: str
    field: Literal["words", "categories"] = "words"
    decay: float = 0.6
    last: int | None = None
    proposes: bool = True
    scale: Scale = "ratio"

    def scores(self, block: Block) -> Floats:
        """Scores (B, I)."""
        return block.cosines(self.field, self.decay, self.last)


@dataclass(frozen=True, slots=True)
class FactorSource:
    """Scores by the factors of ALS, the user's solved for from the history (Hu et al., ICDM 2008, formula 4)."""

    name: str
    decay: float = 0.7
    proposes: bool = True
    scale: Scale = "ratio"

    def scores(self, block: Block) -> Floats:
        """Scores (B, I); zeros for an empty history."""
        factors, rows = block.tables.factors, block.purchases.rows
        assert factors is not None  # the source exists only where there are factors
        weights = block.weights(self.decay)
        left = np.tile(block.tables.regularised_gram, (rows, 1, 1))  # (B, F, F)
        right = np.zeros((rows, factors.shape[1], 1), dtype=np.float32)
        for row in range(rows):
            entries = slice(weights.indptr[row], weights.indptr[row + 1])
            own = factors[weights.indices[entries]]  # (n, F)
            confidence = np.float32(FACTORS.alpha) * weights.data[entries]
            left[row] += (own.T * (confidence - 1)) @ own
            right[row, :, 0] = confidence @ own
        users = np.linalg.solve(left, right)[:, :, 0]
        return np.asarray(users @ factors.T, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class PopularitySource:
    """log(1 + how many users have the item as their last purchase), whatever the history."""

    name: str
    proposes: bool = True
    scale: Scale = "difference"

    def scores(self, block: Block) -> Floats:
        """Scores (B, I), a view of one row."""
        return np.broadcast_to(np.log1p(block.tables.recent), (block.purchases.rows, block.tables.items))


@dataclass(frozen=True, slots=True)
class TransitionTextSource:
    """The transition-text scorer with its default weights: the ranking without a learned second stage."""

    name: str
    proposes: bool = True
    scale: Scale = "difference"

    def scores(self, block: Block) -> Floats:
        """Scores (B, I), at least 0."""
        mixing = MixingWeights()

        def mixed() -> Floats:
            """The transition-text scores (B, I) of the block."""
            graph = block.dense_edges("both", mixing.decay, None)
            words = block.cosines("words", mixing.word_decay, None)
            return transition_text_scores(
                graph.shape,
                graph,
                words,
                transition_weight=mixing.edges,
                text_weight=mixing.words,
                sharpness=mixing.sharpness,
            )

        return np.asarray(block.part("transition text", mixed), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class TunedMixSource:
    """The baseline `transitions` with the weights that validation chose: edges plus ``text`` times cosines."""

    name: str
    decay: float
    text: float
    text_decay: float
    second: float
    proposes: bool = True
    scale: Scale = "ratio"

    @classmethod
    def of(cls, name: str, settings: transitions.Settings) -> "TunedMixSource":
        """The source with the settings of the baseline; its graph is in the tables."""
        return cls(name, settings.decay, settings.text, settings.text_decay, settings.second)

    def scores(self, block: Block) -> Floats:
        """Scores (B, I)."""
        scores = block.dense_edges("tuned", self.decay, None)
        if self.second:
            near = strongest(block.edges("tuned", self.decay, None), SECOND_STEP_FROM)
            scores = scores + np.float32(self.second) * product(near, block.tables.graphs["tuned"])
        texts = block.cosines("tfidf", self.text_decay, None) if self.text else None
        mixed = transition_text_scores(scores.shape, scores, texts, transition_weight=1.0, text_weight=self.text)
        return np.asarray(mixed, dtype=np.float32)


class ModelSource:
    """The scores of a trained model that ranks the same items, as one source more; it is saved apart from the sources.

    Parameters
    ----------
    model
        Scores the I items in the order of the tables; None where the source is only read and written.
    """

    proposes: bool = True
    scale: Scale = "difference"
    default_name: ClassVar[str] = "model"

    def __init__(self, model: CatalogueRecommender | None, name: str = default_name) -> None:
        self.model, self.name = model, name

    def scores(self, block: Block) -> Floats:
        """Scores (B, I), shifted so that the lowest of each history is 0."""
        assert self.model is not None
        model = self.model
        if len(model.items) != block.tables.items:
            raise ModelError(f"the model ranks {len(model.items)} items, the second stage {block.tables.items}")

        def shifted() -> Floats:
            scores = model.score_all(block.histories)
            return np.asarray(scores - scores.min(axis=1, keepdims=True), dtype=np.float32)

        return np.asarray(block.part(("model", self.name), shifted))


def default_sources(tables: ItemTables, tuned: transitions.Settings = UNTUNED) -> tuple[CandidateSource, ...]:
    """The sources that the tables allow; ``tuned`` are the settings of the tuned mix."""
    sources: list[CandidateSource] = [
        TunedMixSource.of("tuned_transitions", tuned),
        TransitionTextSource("transition_text"),
        GraphSource("transitions", "both"),
        GraphSource("transitions_last", "both", last=1),
        GraphSource("forward", "forward", decay=0.7),
        GraphSource("backward", "backward", decay=0.7),
        GraphSource("adjacent", "adjacent", decay=0.5),
        GraphSource("two_steps", "both", last=3, steps=2),
        GraphSource("item_knn", "together", decay=0.9),
        TextSource("text", decay=0.5),
        TextSource("text_last", last=1, proposes=False),
        TextSource("categories", "categories", decay=0.5, proposes=False),
        PopularitySource("recent_popularity"),
    ]
    if tables.factors is not None:
        sources.append(FactorSource("als"))
    return tuple(sources)
