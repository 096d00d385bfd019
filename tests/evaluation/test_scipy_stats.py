"""Intervals, tests and distributions that are computed with scipy.special agree with scipy.stats."""

import numpy as np
import pytest
from scipy import stats

from shoptalk.evaluation.audit.finding import share
from shoptalk.evaluation.audit.ids import spearman
from shoptalk.evaluation.audit.sampled import sampled_recall
from shoptalk.evaluation.comparison import seeds_p


@pytest.mark.parametrize(("count", "total"), [(0, 7), (7, 7), (1, 300), (151, 300), (3, 4)])
def test_wilson_interval(count: int, total: int) -> None:
    expected = stats.binomtest(count, total).proportion_ci(method="wilson")
    size = share(np.arange(total) < count)
    assert (size.low, size.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_rank_correlation_with_ties() -> None:
    generator = np.random.default_rng(1)
    first, second = generator.integers(0, 9, 60), generator.integers(0, 5, 60)
    assert spearman(first, second).value == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-12)


@pytest.mark.parametrize("catalogue", [8, 102, 12_086, 4_000_000])
def test_recall_against_sampled_items(catalogue: int) -> None:
    ranks = np.unique(np.geomspace(1, catalogue, 50).astype(np.int64))
    expected = stats.hypergeom.cdf(9, catalogue - 1, ranks - 1, min(100, catalogue - 1))
    assert sampled_recall(ranks, catalogue) == pytest.approx(expected, abs=1e-7)


def test_welch_test() -> None:
    first, second = [0.1, 0.3, 0.2, 0.25], [0.2, 0.5, 0.45]
    assert seeds_p(first, second) == pytest.approx(stats.ttest_ind(first, second, equal_var=False).pvalue, abs=1e-12)
