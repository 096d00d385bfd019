"""Labelled candidates of cases: what a ranker learns from, and what it is compared on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoptalk.constants import DEFAULT_K
from shoptalk.graph.interactions import InteractionMatrix, Ints
from shoptalk.rank_metrics import ndcg
from shoptalk.schema import EvalExample, History
from shoptalk.second_stage.features import make_features
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
    cases
        N.
    """

    groups: Groups
    relevant: Ints
    cases: int

    @property
    def coverage(self) -> float:
        """Share of the cases that have a target among their candidates."""
        return len(self.relevant) / max(1, self.cases)

    def ndcg(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """NDCG@10 (N,) of scores (P,); the last N - B are the misses. Candidates stand in catalogue order."""
        row = np.repeat(np.arange(len(self.relevant)), self.groups.sizes)
        order = np.lexsort((-scores, row))  # stable: of equal scores the first in catalogue order
        rank = np.empty(len(row), dtype=np.int64)
        rank[order] = np.arange(len(row)) - np.repeat(self.groups.starts, self.groups.sizes) + 1
        label = self.groups.label
        gains = ndcg(rank[label], row[label], self.relevant, DEFAULT_K)
        return np.concatenate([gains, np.zeros(self.cases - len(gains))])


def label_cases(
    cases: Sequence[EvalExample],
    item_index: dict[str, int],
    sources: Sources,
    negatives: int = 0,
    seed: int = 0,
) -> LabelledCases:
    """Make pools and features of cases, block by block, and keep those with a target among the candidates.

    Parameters
    ----------
    negatives
        Candidates that are kept of each case besides its targets, drawn uniformly; 0 keeps all. A draw that prefers
        hard negatives teaches the ranker to distrust strong candidates.
    """
    random = np.random.default_rng(seed)
    parts: list[tuple[Groups, Ints]] = []
    size = block_size(len(item_index))
    for start in range(0, len(cases), size):
        block = [cases[number] for number in range(start, min(start + size, len(cases)))]
        parts.append(_label_block(block, item_index, sources, negatives, random))
    groups = Groups(
        np.concatenate([part.features for part, _ in parts]),
        np.concatenate([part.label for part, _ in parts]),
        np.concatenate([part.sizes for part, _ in parts]),
    )
    return LabelledCases(groups, np.concatenate([relevant for _, relevant in parts]), len(cases))


def _label_block(
    block: Sequence[EvalExample],
    item_index: dict[str, int],
    sources: Sources,
    negatives: int,
    random: np.random.Generator,
) -> tuple[Groups, Ints]:
    """Candidates of a block's cases that have a target among them, and how many targets these cases have."""
    histories = Block([case.history for case in block], item_index, sources.tables)
    pool = make_pool(histories, sources.sources, sources.depth)
    wanted = InteractionMatrix.of([History("", tuple(dict.fromkeys(case.targets))) for case in block], item_index)
    items = len(item_index)
    label = np.isin(pool.row * items + pool.column, wanted.row * items + wanted.column)
    found = np.bincount(pool.row[label], minlength=len(block)) > 0
    kept = found[pool.row]
    if negatives:
        kept &= label | _drawn(pool.row, negatives, random)
    features = make_features(pool, histories, sources.sources)[kept]
    sizes = np.bincount(pool.row[kept], minlength=len(block))[found]
    relevant = np.array([len(set(case.targets)) for case in block], dtype=np.int64)[found]
    return Groups(features, label[kept], sizes), relevant


def _drawn(row: Ints, count: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """(P,) a uniform draw of at most ``count`` entries of each row; ``row`` is sorted."""
    order = np.lexsort((random.random(len(row)), row))
    starts = np.searchsorted(row, row)
    drawn = np.zeros(len(row), dtype=np.bool_)
    drawn[order] = np.arange(len(row)) - starts < count
    return drawn
