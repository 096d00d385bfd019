"""Segments of users and of items, and the metrics in them."""

import numpy as np
import pytest

from shoptalk.evaluation.id_map import IdMap
from shoptalk.evaluation.segments import by_items, by_users, length_groups, popularity_groups, segment_metrics


def test_every_length_has_one_bin() -> None:
    groups = length_groups(np.array([1, 2, 3, 4, 5, 9, 10, 19, 20, 49, 50, 500]))
    assert {name: np.flatnonzero(group).tolist() for name, group in groups.items()} == {
        "1-2": [0, 1],
        "3-4": [2, 3],
        "5-9": [4, 5],
        "10-19": [6, 7],
        "20-49": [8, 9],
        "50+": [10, 11],
    }


def test_popularity_deciles() -> None:
    # Twenty items bought 1, 2, .., 20 times: two in each decile. A cold one is in none.
    groups = popularity_groups(np.array([0, *range(1, 21)]))
    assert {name: np.flatnonzero(group).tolist() for name, group in groups.items()} == {
        str(decile): [2 * decile - 1, 2 * decile] for decile in range(1, 11)
    }


def test_items_bought_equally_often_share_a_decile() -> None:
    # Eight bought once, two bought 9 times. Once: floor(10 * (0 + 8/2) / 10) + 1 = 5; nine times: floor(8 + 2/2) + 1.
    groups = popularity_groups(np.array([1] * 8 + [9, 9]))
    assert {name: int(group.sum()) for name, group in groups.items() if group.any()} == {"5": 8, "10": 2}
    assert not any(group.any() for group in popularity_groups(np.array([0, 0])).values())
    assert np.flatnonzero(popularity_groups(np.array([3]))["6"]).tolist() == [0]  # floor(10 * (0 + 1/2)) + 1


def test_a_segment_of_items_cuts_the_truth_down() -> None:
    codes = IdMap("abcd")
    targets = codes.pairs([["a", "b"], ["b"], ["a"]])
    lists = {"good": codes.table([["a", "b"], ["b"], ["c"]], 10), "bad": codes.table([["d"], ["d"], ["a"]], 10)}
    warm = np.array([True, False, True, True])
    cuts = {"cold": by_items(targets, {"warm": warm, "cold": ~warm})}
    results = segment_metrics(lists, cuts, 10, resamples=100)["cold"]
    # Warm is "a": of users 0 and 2, good finds it for the first, bad for the last. Cold is "b": users 0 and 1.
    assert {name: (group["recall@10"].value, group["recall@10"].n) for name, group in results["warm"].items()} == {
        "good": (1 / 2, 2),
        "bad": (1 / 2, 2),
    }
    assert {name: (group["recall@10"].value, group["recall@10"].n) for name, group in results["cold"].items()} == {
        "good": (2 / 2, 2),
        "bad": (0, 2),
    }
    # "b" stands second for user 0 and first for user 1: (1 / log2(3) + 1) / 2.
    assert results["cold"]["good"]["ndcg@10"].value == pytest.approx((1 / np.log2(3) + 1) / 2)


def test_a_segment_of_users_and_an_empty_one() -> None:
    codes = IdMap("ab")
    targets = codes.pairs([["a"], ["a"], []])
    tied = np.array([True, False, True])
    cuts = {"ties": by_users(targets, {"tied": tied, "nobody": np.zeros(3, dtype=bool)})}
    results = segment_metrics({"model": codes.table([["a"], ["b"], ["a"]], 10)}, cuts, 10, resamples=100)
    assert list(results["ties"]) == ["tied"]  # nobody is in the other; and the user without truth is in neither
    assert (results["ties"]["tied"]["model"]["recall@10"].value, results["ties"]["tied"]["model"]["recall@10"].n) == (
        1,
        1,
    )
