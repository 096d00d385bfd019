"""The reference metrics of one list, by hand."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.reference import (
    average_precision,
    hit_rate,
    hits,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
)

METRICS = (precision, recall, hit_rate, reciprocal_rank, ndcg, average_precision)
LOG3 = math.log2(3)


@pytest.mark.parametrize(
    ("ranked", "k", "expected"),
    [
        ("cab", 1, []),  # "c" leads: a miss
        ("cab", 2, [2]),
        ("cab", 9, [2, 3]),  # a list shorter than k is fine
        ("aab", 3, [1, 3]),  # "a" counts once, at 1; "b" stays at 3
        ("aab", 2, [1]),  # the repetition has used up the second place
        ("ccca", 3, []),
        ("", 5, []),
    ],
)
def test_hits(ranked: str, k: int, expected: list[int]) -> None:
    assert hits(ranked, {"a", "b"}, k) == expected


# Relevant are a and b; k = 4.
@pytest.mark.parametrize(
    ("ranked", "p", "r", "hr", "rr", "gain", "ap"),
    [
        ("abcd", 2 / 4, 2 / 2, 1, 1 / 1, 1, (1 / 1 + 2 / 2) / 2),
        ("cadb", 2 / 4, 2 / 2, 1, 1 / 2, (1 / LOG3 + 1 / math.log2(5)) / (1 + 1 / LOG3), (1 / 2 + 2 / 4) / 2),
        ("xxxxab", 0 / 4, 0 / 2, 0, 0, 0, 0),  # found too late
        ("xa", 1 / 4, 1 / 2, 1, 1 / 2, (1 / LOG3) / (1 + 1 / LOG3), (1 / 2) / 2),  # a short list: precision by 4 still
        ("aaab", 2 / 4, 2 / 2, 1, 1 / 1, (1 + 1 / math.log2(5)) / (1 + 1 / LOG3), (1 / 1 + 2 / 4) / 2),
        ("", 0, 0, 0, 0, 0, 0),  # nothing recommended is wrong, not missing
    ],
)
def test_by_hand(ranked: str, p: float, r: float, hr: float, rr: float, gain: float, ap: float) -> None:
    values = [metric(ranked, {"a", "b"}, 4) for metric in METRICS]
    assert values == pytest.approx([p, r, hr, rr, gain, ap])


def test_more_relevant_items_than_places() -> None:
    # Three relevant, k = 2: the best list of two is perfect in NDCG and MAP, and recalls 2 of 3.
    relevant = {"a", "b", "c"}
    assert ndcg("ab", relevant, 2) == pytest.approx(1)
    assert average_precision("ab", relevant, 2) == (1 / 1 + 2 / 2) / 2
    assert recall("ab", relevant, 2) == 2 / 3


@pytest.mark.parametrize(
    ("ranked", "expected"),
    [
        ("aacc", 1 / 2),  # a and c
        ("acde", 1 / 4),
        ("a", 1 / 1),
        ("aaaa", 1 / 1),
        ("", 0.0),
    ],
)
def test_precision_by_distinct(ranked: str, expected: float) -> None:
    assert precision(ranked, {"a"}, 4, by="distinct") == expected


@pytest.mark.parametrize("metric", METRICS)
def test_nothing_relevant_is_nan(metric: Callable[..., float]) -> None:
    assert math.isnan(metric("ab", set(), 2))


@pytest.mark.parametrize("metric", METRICS)
def test_truth_repeated_counts_once(metric: Callable[..., float]) -> None:
    assert metric("cab", ["a", "a", "b"], 3) == metric("cab", {"a", "b"}, 3)


def test_k_must_be_positive() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        recall("a", {"a"}, 0)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_ndcg_agrees_with_scikit_learn(k: int) -> None:
    from sklearn.metrics import ndcg_score

    generator = np.random.default_rng(k)
    for _ in range(20):
        order, relevant = generator.permutation(12), generator.random(12) < 0.3
        if relevant.any():
            expected = ndcg_score([relevant.astype(float)], [-np.argsort(order).astype(float)], k=k)
            computed = ndcg([str(item) for item in order], {str(item) for item in np.flatnonzero(relevant)}, k)
            assert computed == pytest.approx(expected)


lists, truths = st.lists(st.sampled_from("abcdefgh"), max_size=12), st.sets(st.sampled_from("abcdefgh"), min_size=1)


@given(lists, truths, st.integers(1, 12))
def test_all_are_shares(ranked: list[str], relevant: set[str], k: int) -> None:
    for metric in METRICS:
        assert 0 <= metric(ranked, relevant, k) <= 1 + 1e-12
    assert precision(ranked, relevant, k) <= precision(ranked, relevant, k, by="distinct") <= 1


@given(lists, truths, st.integers(1, 12), st.permutations("abcdefgh"))
def test_names_do_not_matter(ranked: list[str], relevant: set[str], k: int, names: list[str]) -> None:
    renaming = dict(zip("abcdefgh", names, strict=True))
    for metric in METRICS:
        renamed = metric([renaming[item] for item in ranked], {renaming[item] for item in relevant}, k)
        assert renamed == metric(ranked, relevant, k)


@given(st.permutations("abcdefgh"), truths, st.integers(1, 8))
def test_moving_a_hit_up_never_hurts(ranked: list[str], relevant: set[str], k: int) -> None:
    for index in range(1, len(ranked)):
        if ranked[index] in relevant and ranked[index - 1] not in relevant:
            better = [*ranked[: index - 1], ranked[index], ranked[index - 1], *ranked[index + 1 :]]
            for metric in METRICS:
                assert metric(better, relevant, k) >= metric(ranked, relevant, k) - 1e-12
