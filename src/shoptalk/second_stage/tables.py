"""What the candidate sources score with: item-to-item matrices, text vectors, factors and counts, all from purchases.

Nothing here knows an item's age or a date: see "Rules" in ``docs/guide/second-stage.md``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from shoptalk.baselines import als, item_knn
from shoptalk.baselines.text_knn import Texts
from shoptalk.graph.cold_start import propagate_cold_start_edges
from shoptalk.graph.interactions import Floats, InteractionMatrix
from shoptalk.graph.transitions import Graph, edges
from shoptalk.schema import Catalogue, Item

#: How purchases become edges: both directions, only forward, and only between neighbours in time.
BOTH, FORWARD, ADJACENT = Graph(0.9, 0.2, 0.5, 0.15), Graph(0.9, 0.0, 0.5, 0.15), Graph(0.0, 0.0, 0.5, 0.15)
#: As `FORWARD`, with the exponents exchanged: its transpose leads from the later purchase to the earlier one.
BACKWARD = Graph(0.9, 0.0, 0.15, 0.5)
#: Co-purchases whatever their order.
TOGETHER = item_knn.Settings(source_exponent=0.5, option=0.5, user=0.5, neighbours=500)
#: The factorisation.
FACTORS = als.Fit(factors=64, regularization=0.1, alpha=20.0)


@dataclass(frozen=True, slots=True)
class ItemTexts:
    """What is known of I items without any purchase.

    Attributes
    ----------
    words, categories
        (I, W) sparse rows of length 1 or 0: of the text, and of the categories alone.
    brand
        (I,) number of the brand; -1 where there is none.
    tfidf
        (I, W) TF-IDF rows of title, brand and categories, as the baselines have them.
    """

    words: Any
    categories: Any
    brand: NDArray[np.int32]
    tfidf: Any

    @classmethod
    def of(cls, catalogue: Catalogue, words: Any = None) -> "ItemTexts":
        """Read the texts of a catalogue; ``words``, such as features of an encoder, default to its TF-IDF vectors."""
        numbers: dict[str, int] = {"": -1}
        for item in catalogue.values():
            numbers.setdefault(item.brand, len(numbers) - 1)
        brand = np.array([numbers[item.brand] for item in catalogue.values()], dtype=np.int32)
        tfidf = Texts.of(catalogue).vectors
        categories = _category_vectors(list(catalogue.values()))
        return cls(tfidf if words is None else words, categories, brand, tfidf)


@dataclass(frozen=True)
class ItemTables:
    """What is counted from the purchases of U users, for I items.

    Attributes
    ----------
    graphs
        (I, I) sparse matrices by name; row i holds the weights of the items to which i leads.
    texts
        What is known without purchases.
    factors
        (I, F) factors of ALS; None without the library `implicit`.
    counts, recent
        (I,) purchases of each item, and how many users have it as their last purchase.
    """

    graphs: Mapping[str, sparse.csr_array[Any]]
    texts: ItemTexts
    factors: Floats | None
    counts: Floats
    recent: Floats

    @property
    def items(self) -> int:
        """How many items there are."""
        return len(self.counts)

    @cached_property
    def regularised_gram(self) -> Floats:
        """(F, F) the part of ALS's equations for a user that is the same for all: Y'Y + regularization * I."""
        assert self.factors is not None
        size = self.factors.shape[1]
        return self.factors.T @ self.factors + np.float32(FACTORS.regularization) * np.eye(size, dtype=np.float32)

    def extended(self, texts: ItemTexts) -> "ItemTables":
        """The tables with items added that nobody has bought.

        Parameters
        ----------
        texts
            Of all items, the new ones last; they get edges from the items whose words are most similar.
        """
        total = len(texts.brand)
        old = np.arange(total) < self.items

        def graph(matrix: sparse.csr_array[Any]) -> Any:
            larger: Any = sparse.csr_array(matrix, copy=True)
            larger.resize((total, total))
            return propagate_cold_start_edges(larger, texts.words, old)

        def padded(values: Floats) -> Floats:
            result = np.zeros((total, *values.shape[1:]), dtype=np.float32)
            result[: self.items] = values
            return result

        return ItemTables(
            {name: graph(matrix) for name, matrix in self.graphs.items()},
            texts,
            None if self.factors is None else padded(self.factors),
            padded(self.counts),
            padded(self.recent),
        )


def pad_tables(tables: ItemTables, count: int) -> ItemTables:
    """The tables with ``count`` items added of which nothing is known, in a fraction of the time of `extended`.

    That is enough for items that a second stage ranks by its model (see `SecondStage.with_new_items`).
    """
    total = tables.items + count

    def rows(matrix: Any) -> Any:
        """A matrix with empty rows for the new items, sharing its data."""
        if isinstance(matrix, np.ndarray):
            return np.concatenate([matrix, np.zeros((count, matrix.shape[1]), dtype=matrix.dtype)])
        ends = np.append(matrix.indptr, np.full(count, matrix.indptr[-1], dtype=matrix.indptr.dtype))
        return sparse.csr_array((matrix.data, matrix.indices, ends), shape=(total, matrix.shape[1]))

    def square(matrix: Any) -> Any:
        larger = rows(matrix)
        return sparse.csr_array((larger.data, larger.indices, larger.indptr), shape=(total, total))

    def padded(values: Floats) -> Floats:
        return np.concatenate([values, np.zeros((count, *values.shape[1:]), dtype=values.dtype)])

    texts = tables.texts
    return ItemTables(
        {name: square(matrix) for name, matrix in tables.graphs.items()},
        ItemTexts(
            rows(texts.words),
            rows(texts.categories),
            np.append(texts.brand, np.full(count, -1, dtype=np.int32)),
            rows(texts.tfidf),
        ),
        None if tables.factors is None else padded(tables.factors),
        padded(tables.counts),
        padded(tables.recent),
    )


def fit_tables(purchases: InteractionMatrix, texts: ItemTexts, seed: int, tuned: Graph = BOTH) -> ItemTables:
    """Count and factorise; without the library `implicit` there are no factors.

    Items without purchases get edges from the items whose words are most similar. ``tuned`` describes the graph of the
    tuned mix of transitions and texts.
    """
    has_purchases = purchases.counts() > 0

    def graph(how: Graph) -> Any:
        return propagate_cold_start_edges(edges(purchases, how), texts.words, has_purchases)

    graphs = {
        "both": graph(BOTH),
        "tuned": graph(tuned),
        "forward": graph(FORWARD),
        "backward": sparse.csr_array(graph(BACKWARD).T),
        "adjacent": graph(ADJACENT),
        "together": item_knn.similarities(purchases, TOGETHER),
    }
    factors = None
    if find_spec("implicit") is not None and len(purchases.row):
        factors = np.array(als.factorise(purchases, FACTORS, seed).item_factors, dtype=np.float32)
    return ItemTables(
        graphs, texts, factors, purchases.counts().astype(np.float32), purchases.counts(last=1).astype(np.float32)
    )


def _category_vectors(items: Sequence[Item]) -> sparse.csr_array[Any]:
    """(I, C) rows of length 1 (or 0): the categories of each item, weighted by their rarity."""
    numbers: dict[str, int] = {}
    categories = [[numbers.setdefault(name, len(numbers)) for name in dict.fromkeys(item.categories)] for item in items]
    row = np.repeat(np.arange(len(items)), [len(names) for names in categories])
    column = np.array([number for names in categories for number in names], dtype=np.int64)
    frequency = np.bincount(column, minlength=max(1, len(numbers)))
    weight = np.log((1 + len(items)) / (1 + frequency))[column] + 1e-3
    length = np.sqrt(np.bincount(row, weights=weight**2, minlength=len(items)))
    values = (weight / length[row]).astype(np.float32)
    return sparse.csr_array((values, (row, column)), shape=(len(items), max(1, len(numbers))))
