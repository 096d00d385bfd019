"""Labelled candidates of cases: what a ranker learns from, and what it is compared on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoptalk.constants import DEFAULT_K
from shoptalk.graph.interactions import InteractionMatrix, Ints
from shoptalk.rank_metrics import ndcg
from shoptalk.schema import EvalExample, History
from shoptalk.second_stage.features import feature_names, make_features
from shoptalk.second_stage.pool import make_pool
from shoptalk.second_stage.ranker import Groups
from shoptalk.second_stage.recommender import block_size
from shoptalk.second_stage.sources import Block, CandidateSource
from shoptalk.second_stage.tables import ItemTables


@dataclass(frozen=True, slots=True)
class Sources:
    """What proposes and scores candidates, and how many items each source proposes."""

    sources: Sequence[CandidateSource]
    tables: ItemTables
    depth: int


@dataclass(frozen=True, slots=True)
class LabelledCases:
    """Candidates of N cases of which B have a target among them; the other cases count as misses.

    Attributes
    ----------
    groups
        Of the B cases.
    relevant
        (B,) targets of each, in the pool or not.
    index
        (B,) number of each case among the N, ascending.
    cases
        N.
    """

    groups: Groups
    relevant: Ints
    index: Ints
    cases: int

    def ndcg(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """NDCG@10 (N,) of scores (P,), 0 for a miss. Candidates stand in catalogue order."""
        row = np.repeat(np.arange(len(self.relevant)), self.groups.sizes)
        order = np.lexsort((-scores, row))  # stable: of equal scores the first in catalogue order
        rank = np.empty(len(row), dtype=np.int64)
        rank[order] = np.arange(len(row)) - np.repeat(self.groups.starts, self.groups.sizes) + 1
        label = self.groups.label
        result = np.zeros(self.cases)
        result[self.index] = ndcg(rank[label], row[label], self.relevant, DEFAULT_K)
        return result

    def sampled(self, negatives: int, seed: int) -> Groups:
        """The targets of each of the B cases and a uniform draw of at most so many other candidates; 0 keeps all.

        A draw that prefers hard negatives teaches the ranker to distrust strong candidates.
        """
        if not negatives:
            return self.groups
        label, row = self.groups.label, np.repeat(np.arange(len(self.relevant)), self.groups.sizes)
        chosen = label | _drawn(row, negatives, np.random.default_rng(seed))
        sizes = np.bincount(row[chosen], minlength=len(self.relevant))
        return Groups(self.groups.features[chosen], label[chosen], sizes)


def label_cases(cases: Sequence[EvalExample], item_index: dict[str, int], sources: Sources) -> LabelledCases:
    """Make pools and features of cases, block by block, and keep those with a target among the candidates."""
    if not cases:
        none = np.empty(0, dtype=np.int64)
        features = np.empty((0, len(feature_names(sources.sources))), dtype=np.float32)
        return LabelledCases(Groups(features, np.empty(0, dtype=np.bool_), none), none, none, 0)
    parts: list[LabelledCases] = []
    size = block_size(len(item_index))
    for start in range(0, len(cases), size):
        block = [cases[number] for number in range(start, min(start + size, len(cases)))]
        parts.append(_label_block(block, item_index, sources, start))
    groups = Groups(
        np.concatenate([part.groups.features for part in parts]),
        np.concatenate([part.groups.label for part in parts]),
        np.concatenate([part.groups.sizes for part in parts]),
    )
    relevant, index = (np.concatenate([getattr(part, name) for part in parts]) for name in ("relevant", "index"))
    return LabelledCases(groups, relevant, index, len(cases))


def _label_block(
    block: Sequence[EvalExample], item_index: dict[str, int], sources: Sources, start: int
) -> LabelledCases:
    """The cases of a block, whose first has the number ``start``."""
    histories = Block([case.history for case in block], item_index, sources.tables)
    pool = make_pool(histories, sources.sources, sources.depth)
    targets = InteractionMatrix.of([History("", tuple(dict.fromkeys(case.targets))) for case in block], item_index)
    items = len(item_index)
    label = np.isin(pool.row * items + pool.column, targets.row * items + targets.column)
    covered = np.bincount(pool.row[label], minlength=len(block)) > 0
    rows = covered[pool.row]
    features = make_features(pool, histories, sources.sources)[rows]
    relevant = np.array([len(set(case.targets)) for case in block], dtype=np.int64)[covered]
    groups = Groups(features, label[rows], pool.sizes[covered])
    return LabelledCases(groups, relevant, start + np.flatnonzero(covered), len(block))


def _drawn(row: Ints, count: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """(P,) a uniform draw of at most ``count`` entries of each row; ``row`` is sorted."""
    order = np.lexsort((random.random(len(row)), row))
    starts = np.searchsorted(row, row)
    drawn = np.zeros(len(row), dtype=np.bool_)
    drawn[order] = np.arange(len(row)) - starts < count
    return drawn
