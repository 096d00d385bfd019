import numpy as np
import pytest

from shoptalk.ranking import top_k
from shoptalk.schema import History
from shoptalk.second_stage import pool as pool_module
from shoptalk.second_stage.features import PAIR_FEATURES, feature_names, make_features
from shoptalk.second_stage.pool import make_pool
from shoptalk.second_stage.sources import Block, GraphSource, TextSource
from shoptalk.second_stage.tables import ItemTables, ItemTexts

from .world import index, split, tables


class Given:
    """A source with given scores."""

    proposes, scale = True, "ratio"

    def __init__(self, name: str, scores: list[list[float]]) -> None:
        self.name, self.values = name, np.array(scores, dtype=np.float32)

    def scores(self, block: Block):
        return self.values


def small_tables() -> ItemTables:
    """Five items; the first two and the last have brands."""
    texts = ItemTexts(None, None, np.array([0, 0, -1, -1, 1], dtype=np.int32), None)
    return ItemTables({}, texts, None, np.array([9, 4, 0, 1, 2], np.float32), np.array([1, 0, 0, 0, 2], np.float32))


def block(histories: list[History]) -> Block:
    return Block(histories, {item: number for number, item in enumerate("abcde")}, small_tables())


def test_a_pool_is_the_union_of_the_best() -> None:
    bought = block([History("u", ("a",)), History("v", ("e", "b"))])
    first = Given("first", [[9, 3, 2, 0, 0], [0, 5, 4, 4, 1]])
    second = Given("second", [[0, 0, 0, 7, 0], [0, 0, 0, 0, 0]])
    pool = make_pool(bought, [first, second], depth=2)
    # u: the best two of "first" are a, which u has, and b; of "second" d alone is above 0
    # v: b, which v has, and c, which stands before d of the same score
    assert list(zip(pool.row.tolist(), pool.column.tolist(), strict=True)) == [(0, 1), (0, 3), (1, 2)]
    assert pool.sizes.tolist() == [2, 1]
    assert pool.scores.tolist() == [[3, 0, 4], [0, 7, 0]]
    assert pool.ranks.tolist() == [[1, 2, 1], [2, 1, 1]]


def test_options_join_the_pool() -> None:
    bought = block([History("u", ("a",))])
    pool = make_pool(bought, [Given("s", [[0, 1, 0, 0, 0]])], 1, (np.array([0]), np.array([4])))
    assert pool.column.tolist() == [1, 4]


def test_equal_scores_share_a_rank() -> None:
    bought = block([History("u", ())])
    pool = make_pool(bought, [Given("s", [[2, 3, 2, 1, 3]])], 5)
    assert pool.ranks.tolist() == [[3, 1, 3, 5, 1]]


def test_ranks_of_negative_scores_and_zeros() -> None:
    row = np.array([0, 0, 0, 0, 1, 1])
    scores = np.array([-1.5, 0.0, -0.0, -np.inf, -2.0, 3.0], dtype=np.float32)
    assert pool_module._ranks(row, scores).tolist() == [3, 1, 1, 4, 2, 1]


@pytest.mark.parametrize(("items", "most"), [(30, 5), (500, 5), (500, 1000), (95, 1)])  # 95: 5 groups and a rest
def test_the_best_of_each_row_follow_the_rule_for_ties(items: int, most: int) -> None:
    scores = np.random.default_rng(1).integers(-3, most, (20, items)).astype(np.float32)
    rows, columns = pool_module._best_of(scores, 6)
    expected = [
        (row, column)
        for row, best in enumerate(top_k(scores, 6).tolist())
        for column in best
        if scores[row, column] > 0
    ]
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == sorted(expected)


def test_features_by_hand() -> None:
    bought = block([History("u", ("c", "a"))])
    sources = [Given("s", [[0, 4, 0, 1, 2]])]
    pool = make_pool(bought, sources, 3)
    features = dict(zip(feature_names(sources), make_features(pool, bought, sources).T.tolist(), strict=True))
    assert features["s: score"] == [4, 1, 2]  # of b, d, e
    assert features["s: relative score"] == [1, 0.25, 0.5]
    assert features["s: rank"] == pytest.approx(np.log([1, 3, 2]))
    assert features["popularity"] == pytest.approx(np.log([5, 2, 3]))
    assert features["recent popularity"] == pytest.approx(np.log([1, 1, 3]))
    assert features["same brand as the last purchase"] == [1, 0, 0]
    assert features["share of the history with this brand"] == [0.5, 0, 0]
    assert features["length of the history"] == pytest.approx(np.log([3, 3, 3]))
    assert features["mean popularity of the history"] == pytest.approx([np.log(10) / 2] * 3)


def test_a_feature_does_not_depend_on_the_block() -> None:
    sources = [GraphSource("g", "both"), TextSource("t")]
    some = [case.history for case in split().test[:40]]
    whole = Block(some, index(), tables())
    pool = make_pool(whole, sources, 10)
    together = make_features(pool, whole, sources)
    alone = []
    for history in some:
        single = Block([history], index(), tables())
        alone.append(make_features(make_pool(single, sources, 10), single, sources))
    assert np.concatenate(alone) == pytest.approx(together, rel=1e-4, abs=1e-5)
    assert together.shape[1] == 6 + len(PAIR_FEATURES)


def test_histories_without_candidates() -> None:
    bought = block([History("u", ()), History("v", ("a",))])
    sources = [Given("s", [[0] * 5] * 2)]
    pool = make_pool(bought, sources, 3)
    assert pool.sizes.tolist() == [0, 0]
    assert make_features(pool, bought, sources).shape == (0, 3 + len(PAIR_FEATURES))
