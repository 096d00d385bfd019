import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptalk.baselines import _pairs
from shoptalk.baselines._pairs import best_variant, pair_up
from shoptalk.schema import Candidates, History

from .small_dataset import case

INDICES = {"a": 0, "b": 1, "c": 2}


def test_pairs_by_hand() -> None:
    histories = [History("u", ("a", "b")), History("v", ("c", "unknown"))]
    candidates = [Candidates(("x", "y"), ("x", "y")), Candidates(("z",), ("z",))]
    (pairs,) = pair_up(histories, candidates, INDICES)
    # x and y are paired with a and b, z with c
    assert pairs.slot.tolist() == [0, 0, 1, 1, 2]
    assert pairs.seen_items.tolist() == [0, 1, 0, 1, 2]
    assert pairs.recency.tolist() == [1, 0, 1, 0, 0]
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert pairs.pool(values).tolist() == [1 + 2, 3 + 4, 5]
    assert pairs.highest(values).tolist() == [2, 4, 5]
    assert [row.tolist() for row in pairs.split_by_case(pairs.pool(values))] == [[3, 7], [5]]


def test_empty_history_pools_to_zero() -> None:
    (pairs,) = pair_up([History("u", ())], [Candidates(("x", "y"), ("x", "y"))], INDICES)
    assert pairs.pool(np.zeros(0)).tolist() == [0, 0]
    assert pairs.highest(np.zeros(0)).tolist() == [0, 0]


cases = st.lists(st.tuples(st.lists(st.sampled_from("abcz"), max_size=5), st.integers(1, 4)), max_size=12)


@given(cases, st.integers(1, 30))
def test_blocks_hold_the_same_pairs_as_loops(drawn: list[tuple[list[str], int]], block: int) -> None:
    histories = [History("u", tuple(items)) for items, _ in drawn]
    candidates = [Candidates(("x",) * count, ("x",) * count) for _, count in drawn]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pairs, "_BLOCK", block)
        blocks = list(pair_up(histories, candidates, INDICES))
    expected = [
        (INDICES[item], slot)
        for number, (items, count) in enumerate(drawn)
        for slot in range(sum(size for _, size in drawn[:number]), sum(size for _, size in drawn[: number + 1]))
        for item in items
        if item in INDICES
    ]
    computed, offset = [], 0
    for pairs in blocks:
        computed += list(zip(pairs.seen_items.tolist(), (pairs.slot + offset).tolist(), strict=True))
        offset += int(pairs.sizes.sum())
    assert computed == expected
    assert offset == sum(count for _, count in drawn)


def test_best_variant_is_the_most_accurate_and_the_first_of_equals() -> None:
    validation = [case("u", ["soap"], ["lip1", "lip2"], 1)]

    def scorer(choice: int):  # type: ignore[no-untyped-def]
        return lambda histories, candidates: [np.eye(2)[choice] for _ in candidates]

    assert best_variant([0, 1], scorer, validation) == 1
    assert best_variant([0, 0, 1], scorer, []) == 0
