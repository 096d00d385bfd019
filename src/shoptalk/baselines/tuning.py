"""Choosing settings on validation cases, by NDCG@10 of the whole catalogue."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from shoptalk.constants import DEFAULT_K
from shoptalk.graph.interactions import Floats, InteractionMatrix
from shoptalk.rank_metrics import ndcg, target_ranks
from shoptalk.schema import EvalExample, History

S = TypeVar("S")
#: Scores (B, I) of all items for the histories of B users; a new array, that the caller may write to.
Score = Callable[[InteractionMatrix], Floats]

#: Validation cases that variants are compared on. On Beauty, 2,000 cases chose settings of item-kNN that were a tenth
#: worse on the test than what all cases choose; 8,000 did not.
MOST_CASES = 8_000


class RankingValidation:
    """Validation cases that variants are compared on: NDCG@10 of the whole catalogue without the history.

    Parameters
    ----------
    cases
        Validation cases; at most ``most`` of them are drawn.
    item_index
        Item id to its number in the catalogue.
    seed
        Of the draw.
    """

    def __init__(
        self, cases: Sequence[EvalExample], item_index: Mapping[str, int], seed: int, most: int = MOST_CASES
    ) -> None:
        count = len(cases)
        drawn = np.sort(np.random.default_rng(seed).permutation(count)[:most])
        chosen = [
            case for case in (cases[index] for index in drawn.tolist()) if any(i in item_index for i in case.targets)
        ]
        self.histories = InteractionMatrix.of((case.history for case in chosen), item_index)
        self._targets = InteractionMatrix.of(
            (History("", tuple(dict.fromkeys(case.targets))) for case in chosen), item_index
        )

    def __len__(self) -> int:
        return self.histories.rows

    def ndcg(self, score: Score) -> float:
        """Mean NDCG@10, equal scores in the catalogue's order: see `rank_metrics`."""
        blocks = zip(self.histories.blocks(), self._targets.blocks(), strict=True)
        return sum(float(_gains(score(seen_items), seen_items, targets).sum()) for seen_items, targets in blocks) / max(
            1, len(self)
        )


def _gains(scores: Floats, seen_items: InteractionMatrix, targets: InteractionMatrix) -> NDArray[np.float64]:
    """NDCG@10 (B,) of scores (B, I), which are overwritten; ties by the rule of `rank_metrics`."""
    scores[seen_items.row, seen_items.column] = -np.inf
    own = scores[targets.row, targets.column]  # (T,)
    single = len(own) == targets.rows  # one truth a case, as nearly always: no copy is needed
    rows = scores if single else scores[targets.row]  # (T, I)
    rank = 1 + np.count_nonzero(rows > own[:, None], axis=1)
    close = np.flatnonzero(rank <= DEFAULT_K)  # the others' ties change nothing
    rank[close] = target_ranks(rows[close], own[close, None], np.arange(targets.items), targets.column[close, None])
    rank[~np.isfinite(own)] = targets.items + DEFAULT_K  # it may not be recommended: beyond every list
    return ndcg(rank, targets.row, np.bincount(targets.row, minlength=targets.rows), DEFAULT_K)


def tune(
    start: S,
    grid: Mapping[str, Sequence[Any]],
    score: Callable[[S], Score],
    eval_data: RankingValidation,
    rounds: int = 2,
) -> S:
    """The best settings found by changing one field at a time, all others staying at the best so far.

    Coordinate ascent sees a few dozen variants where a full grid would have thousands, and is as good here: the fields
    hardly depend on each other. The same settings are never judged twice; ties keep what was tried first.

    Parameters
    ----------
    start
        A frozen dataclass: the settings to begin with, and the answer where there are no validation cases.
    grid
        Values to try of each field, in the order in which fields are tried.
    score
        Makes the scores of given settings.
    rounds
        How often to go through the fields; it ends early when a round changes nothing.
    """
    if not len(eval_data):
        return start
    judged: dict[S, float] = {}

    def value(settings: S) -> float:
        if settings not in judged:
            judged[settings] = eval_data.ndcg(score(settings))
        return judged[settings]

    best = start
    for _ in range(rounds):
        before = best
        for field, values in grid.items():
            variants: list[S] = [best, *(replace(best, **{field: one}) for one in values)]  # type: ignore[type-var]
            best = max(variants, key=value)
        if best == before:
            break
    return best
