"""Ranks and NDCG by hand, and the one rule for ties wherever something is ranked."""

import math

import numpy as np
import pytest
import torch

from shoptalk.rank_metrics import ndcg, target_ranks
from shoptalk.ranking import CatalogueRecommender, rank_by_scores
from shoptalk.schema import History

NAN = math.nan
LOG = math.log2


@pytest.mark.parametrize(
    ("scores", "column", "rank"),
    [
        ([3.0, 2.0, 1.0], 1, 2),
        ([1.0, 1.0, 1.0], 0, 1),  # of equal scores the first of the catalogue stands first
        ([1.0, 1.0, 1.0], 2, 3),
        ([1.0, 5.0, 1.0, 1.0], 2, 3),  # after the 5 and one equal item
        ([-math.inf, 1.0], 1, 1),
        ([1.0, 2.0, NAN], 2, 3),  # not a number: behind every number
        ([NAN, 2.0, 1.0], 1, 1),
    ],
)
def test_ranks_by_hand(scores: list[float], column: int, rank: int) -> None:
    row, at = np.array([scores]), np.array([[column]])
    assert target_ranks(row, row[:, [column]], np.arange(len(scores)), at).tolist() == [rank]
    tensor, index = torch.tensor([scores]), torch.tensor([[column]])
    assert target_ranks(tensor, tensor.gather(1, index), torch.arange(len(scores)), index).tolist() == [rank]


def test_ndcg_by_hand() -> None:
    # The first list has its two relevant items at 1 and 4, the second its one at 11, the third has none that is
    # relevant, the fourth twelve relevant items and one of them at 2.
    found = ndcg([1, 4, 11, 2], [0, 0, 1, 3], [2, 1, 0, 12], k=10)
    ideal = sum(1 / LOG(1 + rank) for rank in range(1, 11))  # ten of the twelve fit
    expected = [(1 + 1 / LOG(5)) / (1 + 1 / LOG(3)), 0, NAN, 1 / LOG(3) / ideal]
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_nothing_is_ranked() -> None:
    assert ndcg([], [], [1, 0], k=10).tolist()[0] == 0
    assert len(ndcg([], [], [], k=10)) == 0


def test_a_rank_is_where_the_item_stands_in_the_list() -> None:
    """A whole catalogue of equal scores: the written list and the rank beside it agree."""

    class Equal(CatalogueRecommender):
        name = "equal"
        items = ("a", "b", "c", "d")

        def score_all(self, histories: list[History]) -> np.ndarray:
            return np.zeros((len(histories), 4), dtype=np.float32)

    histories = [History("u", ("b",))] * 3
    lists = list(rank_by_scores(Equal(), histories, 4, targets=["a", "c", "d"]))
    assert [one.items for one in lists] == [("a", "c", "d")] * 3
    assert [one.rank for one in lists] == [1, 2, 3]  # the middle of three would be 2 for all
