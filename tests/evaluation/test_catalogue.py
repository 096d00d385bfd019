"""Metrics of tables of lists, compared with the reference for one list, and by hand."""

import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptalk.evaluation.bootstrap import estimate
from shoptalk.evaluation.catalogue import KS, find, means, per_user, score_lists
from shoptalk.evaluation.id_map import PAD_ID, IdMap, first_occurrences
from tests.evaluation import reference

ITEMS = st.sampled_from("abcdefghijklmnopqrstuvwxyz")


@given(
    st.lists(st.tuples(st.lists(ITEMS, max_size=25), st.lists(ITEMS, max_size=6)), min_size=1, max_size=12),
    st.sampled_from([KS, (1,), (3, 25)]),
)
def test_the_same_as_the_reference(cases: list[tuple[list[str], list[str]]], ks: tuple[int, ...]) -> None:
    """Lists may be short, empty or repetitive; truths may be empty or contain an item twice."""
    ranked, targets = [list(ranked_list) for ranked_list, _ in cases], [right for _, right in cases]
    results = per_user(ranked, targets, ks)
    expected = {name: values for k in ks for name, values in reference.per_user(ranked, targets, k).items()}
    assert results.keys() == expected.keys()
    for name, values in expected.items():
        # The same sums in the same order; NaN exactly where the reference has NaN.
        np.testing.assert_allclose(results[name], values, rtol=1e-13, atol=0, equal_nan=True, err_msg=name)


def test_by_hand() -> None:
    results = per_user([list("xaxbyz"), list("abcde"), []], [{"a", "b"}, set(), {"a"}], (5,))
    log = math.log2
    # Hits at ranks 2 and 4 of five; two are relevant. Nothing is relevant to the second user; the third gets nothing.
    expected = {
        "precision@5": [2 / 5, math.nan, 0],
        "recall@5": [2 / 2, math.nan, 0],
        "mrr@5": [1 / 2, math.nan, 0],
        "hr@5": [1, math.nan, 0],
        "ndcg@5": [(1 / log(3) + 1 / log(5)) / (1 / log(2) + 1 / log(3)), math.nan, 0],
        "map@5": [(1 / 2 + 2 / 4) / 2, math.nan, 0],
    }
    for name, values in expected.items():
        assert results[name] == pytest.approx(values, nan_ok=True), name


def test_means_leave_out_users_without_truth() -> None:
    columns = per_user([["a"], ["a"], ["b"]], [{"a"}, set(), {"a"}], (5, 10))
    results = means(columns, resamples=100)
    assert (results["recall@5"].value, results["recall@5"].n) == (1 / 2, 2)  # one hit, one miss, one left out
    assert results["precision@10"].value == (1 / 10 + 0) / 2


def test_means_are_those_of_each_column_alone() -> None:
    generator = np.random.default_rng(2)
    full, second_column, holes = generator.random((3, 30))
    holes[::3] = np.nan
    columns = {"full": full, "holes": holes, "other": second_column, "none": np.full(30, np.nan)}
    results = means(columns, resamples=100)
    assert list(results) == list(columns)
    for name in ("full", "holes", "other"):
        assert astuple(results[name]) == pytest.approx(astuple(estimate(columns[name], resamples=100))), name
    assert results["none"].n == 0


def test_nobody_has_truth() -> None:
    results = means(per_user([["a"]], [set()], (5,)), resamples=100)["recall@5"]
    assert (math.isnan(results.value), results.n) == (True, 0)


def test_lists_and_truths_must_match_and_k_must_fit() -> None:
    with pytest.raises(ValueError, match="2 ranked lists, but 1 truths"):
        per_user([["a"], ["b"]], [{"a"}])
    codes = IdMap()
    results = find(codes.table([["a"]], 5), codes.pairs([["a"]]))
    for k in (0, 6):
        with pytest.raises(ValueError, match="between 1 and 5"):
            results.metrics(k)


def test_only_the_wanted_metrics() -> None:
    codes = IdMap()
    results = find(codes.table([["a"]], 5), codes.pairs([["a", "b"]]))
    assert {name: values.tolist() for name, values in results.metrics(5, ("recall@5",)).items()} == {
        "recall@5": [1 / 2]
    }


def test_scores_of_lists_leave_out_users_without_truth_and_count_them() -> None:
    results = score_lists(["ab", "xy", "ab"], [{"a"}, {"a"}, set()], 2, resamples=100)
    assert (results.users, results.without_truth) == (2, 1)
    # The first user's only relevant item stands at rank 1 of 2, the second has no hit, the third no truth.
    expected = {"precision": (1 / 2 + 0) / 2, "recall": (1 + 0) / 2, "mrr": (1 / 1 + 0) / 2, "hr": (1 + 0) / 2,
                "ndcg": (1 + 0) / 2, "map": (1 / 1 + 0) / 2}  # fmt: skip
    for name, value in expected.items():
        assert (results.metrics[f"{name}@2"].value, results.metrics[f"{name}@2"].n) == (value, 2)


def test_scores_of_lists_where_nobody_has_truth() -> None:
    results = score_lists(["ab"], [[]], 2, resamples=100)
    assert (results.users, results.without_truth) == (0, 1)
    assert math.isnan(results.metrics["recall@2"].value)


def test_precision_by_distinct_items() -> None:
    # Of the first four a list has 2, 4, 1 and 0 different items; the hits are 1, 1, 1 and 0.
    lists = ["aacc", "acde", "aaaab", ""]
    results = score_lists(lists, ["a"] * 4, 4, precision_by="distinct", resamples=100).metrics["precision@4"]
    assert results.value == pytest.approx((1 / 2 + 1 / 4 + 1 / 1 + 0) / 4)
    by_one = [reference.precision(ranked_list, "a", 4, by="distinct") for ranked_list in lists]
    assert results.value == pytest.approx(sum(by_one) / 4)


def test_order_of_users_changes_no_mean() -> None:
    lists, truths = ["abc", "cab", "", "bca"], ["a", "bc", "a", ""]
    before = score_lists(lists, truths, 2, resamples=0)
    after = score_lists(lists[::-1], truths[::-1], 2, resamples=0)
    assert (after.users, after.without_truth) == (before.users, before.without_truth) == (3, 1)
    for name, value in before.metrics.items():
        assert after.metrics[name].value == pytest.approx(value.value), name


def test_scores_of_lists_must_fit() -> None:
    with pytest.raises(ValueError, match="2 ranked lists, but 1 truths"):
        score_lists(["a", "b"], [{"a"}], 1)
    with pytest.raises(ValueError, match="at least 1"):
        score_lists(["a"], [{"a"}], 0)


def test_codes() -> None:
    codes = IdMap(["a", "b"])
    table = codes.table([["b", "?", "a"], [], ["?"]], 2)
    # The catalogue has 0 and 1; "?" gets 2 wherever it stands; what is past the width is cut.
    assert table.tolist() == [[1, 2], [PAD_ID, PAD_ID], [2, PAD_ID]]
    assert (codes.size, len(codes)) == (2, 3)
    assert first_occurrences(codes.table([["b", "b", "a", "b"]], 5)).tolist() == [[True, False, True, False, False]]


def test_pairs_hold_what_they_were_made_of() -> None:
    codes = IdMap("abc")
    pairs = codes.pairs([["b", "a", "b"], [], ["c"]])
    assert pairs.counts().tolist() == [2, 0, 1]
    table_of_items = codes.table([["a", "c"], ["a", "c"], ["c"]], 2)
    assert pairs.contains(table_of_items).tolist() == [[True, False], [False, False], [True, False]]
    assert pairs.select(np.array([True, False, False])).counts().tolist() == [1, 0, 0]
