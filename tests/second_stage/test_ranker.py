import numpy as np
import pytest

from shoptalk.errors import MissingExtra
from shoptalk.second_stage.examples import LabelledCases, _drawn
from shoptalk.second_stage.fitting import one_feature
from shoptalk.second_stage.ranker import Groups, TreeSettings, fit_lambdamart, fit_linear

SMALL = TreeSettings(trees=60, leaves=8, smallest_leaf=20, patience=15)


def drawn_groups(seed: int, pools: int = 300, weights: tuple[float, ...] = (2.0, -1.0, 0.0)) -> Groups:
    """Pools of 8 candidates, of which one is drawn with the probabilities softmax(features @ weights)."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(pools, 8, len(weights))).astype(np.float32)
    scores = features @ np.array(weights) + random.gumbel(size=(pools, 8))
    label = scores == scores.max(axis=1, keepdims=True)
    return Groups(features.reshape(-1, len(weights)), label.ravel(), np.full(pools, 8))


def test_linear_weights_are_those_that_drew_the_targets() -> None:
    ranker = fit_linear(drawn_groups(1, pools=4000), l2=0.0)
    assert ranker.weights / ranker.scale == pytest.approx([2, -1, 0], abs=0.15)


def test_linear_leaves_out_pools_without_target() -> None:
    groups = drawn_groups(1)
    more = Groups(
        np.concatenate([groups.features, 100 * np.ones((8, 3), np.float32)]),
        np.append(groups.label, np.zeros(8, bool)),
        np.append(groups.sizes, 8),
    )
    one, same = fit_linear(groups, l2=0.0), fit_linear(more, l2=0.0)
    assert same.weights / same.scale == pytest.approx(one.weights / one.scale, abs=0.05)


def test_lambdamart_learns_what_no_sum_can() -> None:
    pytest.importorskip("lightgbm")

    def groups(seed: int) -> Groups:
        made = drawn_groups(seed, weights=(0.0, 0.0, 0.0), pools=600)
        features = made.features.reshape(-1, 8, 3)
        value = features[:, :, 0] * features[:, :, 1]  # the product counts
        return Groups(made.features, (value == value.max(axis=1, keepdims=True)).ravel(), made.sizes)

    train, stop, check = groups(1), groups(2), groups(3)
    cases = LabelledCases(check, np.ones(600, np.int64), np.arange(600), 600)
    trees = fit_lambdamart(train, stop, 1, SMALL)
    by_trees = cases.ndcg(trees.predict(check.features)).mean()
    by_sum = cases.ndcg(fit_linear(train).predict(check.features)).mean()
    assert by_trees > by_sum + 0.15
    assert fit_lambdamart(train, stop, 1, SMALL).text == trees.text


def test_contributions_add_up() -> None:
    pytest.importorskip("lightgbm")
    groups = drawn_groups(1)
    for ranker in (fit_linear(groups), fit_lambdamart(groups, drawn_groups(2), 1, SMALL)):
        scores = ranker.predict(groups.features)
        spread = scores - ranker.contributions(groups.features).sum(axis=1)
        assert spread == pytest.approx(np.full(len(spread), spread[0]), abs=1e-3)


def test_the_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoptalk.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'shoptalk\[rerank\]'"):
        fit_lambdamart(drawn_groups(1), drawn_groups(2), 1)


def test_one_feature_ranks_by_it() -> None:
    features = np.array([[1, 5], [3, 2]], dtype=np.float32)
    assert one_feature(("a: score", "b: score"), "b: score").predict(features).tolist() == [5, 2]


def test_ndcg_counts_misses_and_all_targets() -> None:
    groups = Groups(np.zeros((5, 1), np.float32), np.array([0, 1, 0, 1, 1], bool), np.array([3, 2]))
    cases = LabelledCases(groups, np.array([1, 4]), np.array([0, 2]), cases=4)
    values = cases.ndcg(np.array([3.0, 1.0, 2.0, 1.0, 1.0]))
    first = 1 / np.log2(1 + 3)  # the target is the third
    second = (1 + 1 / np.log2(3)) / (1 + 1 / np.log2(3) + 1 / 2 + 1 / np.log2(5))  # two of four targets
    assert values == pytest.approx([first, 0, second, 0])  # the cases 0 and 2 have a target in their pools


def test_negatives_are_drawn_uniformly() -> None:
    row = np.repeat([0, 1, 2], [4, 1, 10])
    random = np.random.default_rng(1)
    draws = np.array([_drawn(row, 2, random) for _ in range(3000)])
    share = draws.mean(axis=0)
    assert share[:4] == pytest.approx(np.full(4, 2 / 4), abs=0.04)
    assert share[4] == 1
    assert share[5:] == pytest.approx(np.full(10, 2 / 10), abs=0.04)
    assert (draws[:, 5:].sum(axis=1) == 2).all()
