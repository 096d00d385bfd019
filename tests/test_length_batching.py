"""Batches of rows of about equal length."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shoptalk.length_batching import length_batches

LENGTHS = st.lists(st.integers(0, 300), max_size=200)


def lists(*args: object, **settings: object) -> list[list[int]]:
    return [batch.tolist() for batch in length_batches(*args, **settings)]  # type: ignore[arg-type]


def test_rows_are_taken_while_they_fit() -> None:
    lengths = [4, 9, 2, 4, 30, 3]
    # By length: 2, 3, 4, 4, 9, 30. 3 rows of 4 are 12 tokens, 4 of them 16; 2 of 9 are 18; 30 is more than 12 alone.
    assert lists(lengths, 12) == [[2, 5, 0], [3], [1], [4]]
    assert lists(lengths, 16) == [[2, 5, 0, 3], [1], [4]]
    assert lists(lengths, 16, max_rows=3) == [[2, 5, 0], [3], [1], [4]]
    # From the longest: 30 alone; 9 alone (18 > 16); then 16 // 4 = 4 rows of at most 4.
    assert lists(lengths, 16, longest_first=True) == [[4], [1], [0, 3, 5, 2]]


def test_no_rows_make_no_batches() -> None:
    assert lists([], 16) == lists(np.zeros(0, dtype=np.int64), 16, longest_first=True) == []


@given(LENGTHS, st.integers(1, 600), st.none() | st.integers(1, 20))
def test_batches_are_those_of_taking_rows_one_by_one(lengths: list[int], limit: int, most: int | None) -> None:
    order = sorted(range(len(lengths)), key=lambda row: lengths[row])
    rising: list[list[int]] = []
    for row in order:
        last = rising[-1] if rising else []
        full = len(last) == most or max(1, lengths[row]) * (len(last) + 1) > limit
        if not last or full:
            rising.append([row])
        else:
            last.append(row)
    assert lists(lengths, limit, max_rows=most) == rising
    falling = lists(lengths, limit, max_rows=most, longest_first=True)
    assert [row for batch in falling for row in batch] == sorted(range(len(lengths)), key=lambda row: -lengths[row])
    assert all(len(batch) == 1 or max(1, lengths[batch[0]]) * len(batch) <= limit for batch in falling)
    for batch in falling[:-1]:  # the last may have room left
        assert len(batch) == most or max(1, lengths[batch[0]]) * (len(batch) + 1) > limit
