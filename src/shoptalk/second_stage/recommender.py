"""The second stage as a `Recommender`: a pool of candidates from several sources, re-ranked by a learned model."""

from collections.abc import Sequence

import numpy as np

from shoptalk.ranking import CatalogueRecommender, Floats, top_k
from shoptalk.schema import History
from shoptalk.second_stage.calibration import UNCALIBRATED, Calibration
from shoptalk.second_stage.features import feature_names, make_features
from shoptalk.second_stage.pool import make_pool
from shoptalk.second_stage.ranker import Ranker
from shoptalk.second_stage.sources import Block, CandidateSource
from shoptalk.second_stage.tables import ItemTables, ItemTexts, pad_tables

#: Scores of all items that one source holds at once (4 bytes each), and most histories of a block.
BLOCK_SCORES, BLOCK = 4_000_000, 256
#: The most that popularity adds to items that no source tells apart.
LEAST = 1e-4
#: First ranks that items without purchases keep, and the distance between the scores of such items and the item above.
KEPT_RANKS, STEP = 100, 1e-4


class SecondStage(CatalogueRecommender):
    """Re-ranks the best items of several sources.

    The score of a candidate is the logarithm of the calibrated probability that it is the next item. Items outside the
    pool follow behind all candidates, by the score of the first source and then by popularity. Items without purchases
    keep the rank that the first source gives them, as the ranker has seen almost none: it would put new items last.

    Parameters
    ----------
    items
        Ids of the I items of the catalogue.
    sources, tables
        What proposes candidates, and what it scores with.
    ranker
        Scores the candidates by their features.
    depth
        How many items each source proposes.
    """

    name = "second_stage"
    score_unit = "log-probability"

    def __init__(
        self,
        items: Sequence[str],
        sources: Sequence[CandidateSource],
        tables: ItemTables,
        ranker: Ranker,
        depth: int,
        calibration: Calibration = UNCALIBRATED,
    ) -> None:
        self.items, self.sources, self.tables = tuple(items), tuple(sources), tables
        self.ranker, self.depth, self.calibration = ranker, depth, calibration
        most = max(1.0, float(tables.counts.max(initial=0)))
        self._is_new = tables.counts == 0  # (I,)
        self._popularity = (LEAST * tables.counts / most).astype(np.float32)  # (I,), from 0 to LEAST

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the ranker's F features."""
        return feature_names(self.sources)

    def score_all(self, histories: Sequence[History]) -> Floats:
        """Scores (B, I): log-probabilities of the candidates; all other items are below them."""
        result = np.empty((len(histories), len(self.items)), dtype=np.float32)
        size = block_size(len(self.items))
        for start in range(0, len(histories), size):
            block = Block(histories[start : start + size], self.item_index, self.tables)
            result[start : start + size] = self._scores(block)
        return result

    def extended(self, items: Sequence[str], texts: ItemTexts) -> "SecondStage":
        """The second stage with items added that nobody has bought; ``texts`` are of all items, the new ones last."""
        tables = self.tables.extended(texts)
        return SecondStage((*self.items, *items), self.sources, tables, self.ranker, self.depth, self.calibration)

    def with_new_items(self, items: Sequence[str], sources: Sequence[CandidateSource]) -> "SecondStage":
        """The second stage with items added that nobody has bought, ranked by the first of ``sources``.

        In contrast to `extended`, no edges lead to them, so that they can be added at once.
        """
        tables = pad_tables(self.tables, len(items))
        return SecondStage((*self.items, *items), sources, tables, self.ranker, self.depth, self.calibration)

    def contributions(self, history: History, items: Sequence[str]) -> list[dict[str, float]]:
        """What each source adds to the ranker's score of each item, the largest first.

        Parameters
        ----------
        items
            Ids of items of the catalogue.

        Returns
        -------
        list of dicts
            For each item the sums of the contributions of a source's features by its name, and those of all other
            features by their own names. They are relative to the mean over the candidates of the training.
        """
        block = Block([history], self.item_index, self.tables)
        wanted = np.array([self.item_index[item] for item in items], dtype=np.int64)
        first_row = np.zeros(len(wanted), dtype=np.int64)
        pool = make_pool(block, self.sources, self.depth, (first_row, wanted))
        features = make_features(pool, block, self.sources)
        position = np.searchsorted(pool.column, wanted)
        values = self.ranker.contributions(features[position])
        found: list[dict[str, float]] = []
        for row in values:
            sums: dict[str, float] = {}
            for name, value in zip(self.feature_names, row.tolist(), strict=True):
                source = name.split(": ")[0]
                sums[source] = sums.get(source, 0.0) + value
            found.append(dict(sorted(sums.items(), key=lambda entry: -abs(entry[1]))))
        return found

    def _scores(self, block: Block) -> Floats:
        """Scores (B, I) of a block."""
        pool = make_pool(block, self.sources, self.depth)
        raw = self.ranker.predict(make_features(pool, block, self.sources))
        candidates = self.calibration.log_probabilities(raw, pool.sizes)
        lowest = np.zeros(len(block.histories), dtype=np.float32)
        filled = pool.sizes > 0
        if filled.any():
            lowest[filled] = np.minimum.reduceat(candidates, pool.starts[filled])
        first = self.sources[0].scores(block)
        outside = np.maximum(first, 0) + self._popularity
        scores = outside / (1 + outside) + (lowest[:, None] - 2)  # at least 1 below all candidates
        scores[pool.row, pool.column] = candidates
        scores = np.asarray(scores, dtype=np.float32)
        if self._is_new.any():
            self._keep_new_items(scores, first, block)
        return scores

    def _keep_new_items(self, scores: Floats, first: Floats, block: Block) -> None:
        """Give items without purchases the ranks that they have by the scores (B, I) of the first source."""
        bought = block.purchases.row, block.purchases.column
        of_history, first = scores[bought], first.copy()
        scores[bought] = first[bought] = -np.inf  # ranks are counted without the items of the history
        for row in range(len(scores)):
            self._keep_new(scores[row], first[row])
        scores[bought] = of_history

    def _keep_new(self, scores: Floats, first: Floats) -> None:
        """Move the items (I,) without purchases to the rank that they have by the scores (I,) of the first source."""
        best = top_k(first[None], KEPT_RANKS)[0]
        new = np.flatnonzero(self._is_new[best])
        if not len(new):
            return
        others = scores[~self._is_new]
        others = others[top_k(others[None], KEPT_RANKS)[0]]
        for count, rank in enumerate(new.tolist()):
            behind = rank - count  # how many items with purchases stand before it
            above = others[behind - 1] if behind else others[0] + 2 * STEP
            scores[best[rank]] = above - STEP * (count + 1) / (len(new) + 1)


def block_size(items: int) -> int:
    """How many histories are scored together over a catalogue."""
    return max(1, min(BLOCK, BLOCK_SCORES // max(1, items)))
