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
#: Scores (B, I) of all items for the histories of B users; a new array that the caller may overwrite.
Score = Callable[[InteractionMatrix], Floats]

#: Most validation cases on which variants are compared. On Beauty, the settings of item-kNN that 2,000 cases choose are
#: 10 % worse on the test than those that all cases choose; with 8,000 cases there is no loss.
MOST_CASES = 8_000


class RankingValidation:
    """Validation cases on which variants are compared by NDCG@10 of the whole catalogue without the history.

    Parameters
    ----------
    cases
        Validation cases; cases without a target in the catalogue are left out.
    item_index
        Index in the catalogue by item id.
    seed
        Seed of the sample.
    most
        Size of the sample where there are more cases.
    """

    def __init__(
        self, cases: Sequence[EvalExample], item_index: Mapping[str, int], seed: int, most: int = MOST_CASES
    ) -> None:
        count = len(cases)
        indices = np.sort(np.random.default_rng(seed).permutation(count)[:most])
        sample = [cases[index] for index in indices.tolist()]
        sample = [case for case in sample if any(item in item_index for item in case.targets)]
        self.histories = InteractionMatrix.of((case.history for case in sample), item_index)
        self._targets = InteractionMatrix.of(
            (History("", tuple(dict.fromkeys(case.targets))) for case in sample), item_index
        )

    def __len__(self) -> int:
        """The number of cases."""
        return self.histories.rows

    def ndcg(self, score: Score) -> float:
        """Mean NDCG@10 with the rule for ties of `rank_metrics`; 0 without cases."""
        blocks = zip(self.histories.blocks(), self._targets.blocks(), strict=True)
        total = sum(float(_ndcg(score(histories), histories, targets).sum()) for histories, targets in blocks)
        return total / max(1, len(self))


def _ndcg(scores: Floats, histories: InteractionMatrix, targets: InteractionMatrix) -> NDArray[np.float64]:
    """NDCG@10 (B,) of scores (B, I), which are overwritten."""
    scores[histories.row, histories.column] = -np.inf
    target_scores = scores[targets.row, targets.column]  # (T,)
    single_targets = len(target_scores) == targets.rows  # nearly always; then no copy is needed
    rows = scores if single_targets else scores[targets.row]  # (T, I)
    ranks = 1 + np.count_nonzero(rows > target_scores[:, None], axis=1)
    top = np.flatnonzero(ranks <= DEFAULT_K)  # ties of lower ranks do not change NDCG
    ranks[top] = target_ranks(rows[top], target_scores[top, None], np.arange(targets.items), targets.column[top, None])
    ranks[~np.isfinite(target_scores)] = targets.items + DEFAULT_K  # items of the history are in no list
    return ndcg(ranks, targets.row, np.bincount(targets.row, minlength=targets.rows), DEFAULT_K)


def tune(
    start: S,
    grid: Mapping[str, Sequence[Any]],
    score: Callable[[S], Score],
    eval_data: RankingValidation,
    rounds: int = 2,
) -> S:
    """The best settings found by changing one field at a time, all others staying at the best so far.

    Coordinate ascent evaluates a few dozen variants where a full grid has thousands; it suffices because the best value
    of a field hardly depends on the other fields. No settings are evaluated twice; of equal ones, the first tried wins.

    Parameters
    ----------
    start
        A frozen dataclass: the settings to begin with, which are returned where there are no validation cases.
    grid
        Values to try of each field, in the order in which fields are tried.
    score
        Makes the scoring function of settings.
    rounds
        Most passes over the fields; tuning ends early when a pass changes nothing.
    """
    if not len(eval_data):
        return start
    results: dict[S, float] = {}

    def ndcg_of(settings: S) -> float:
        if settings not in results:
            results[settings] = eval_data.ndcg(score(settings))
        return results[settings]

    best = start
    for _ in range(rounds):
        best_before = best
        for field, values in grid.items():
            variants: list[S] = [best, *(replace(best, **{field: value}) for value in values)]  # type: ignore[type-var]
            best = max(variants, key=ndcg_of)
        if best == best_before:
            break
    return best
