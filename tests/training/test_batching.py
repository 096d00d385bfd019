"""Batches of nearly equal lengths."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shoptalk.prompts.encode import IGNORE, Encoded
from shoptalk.training.batching import make_batch, plan
from shoptalk.training.examples import gather

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=200).map(np.array)


@given(LENGTHS, st.integers(32, 600), st.none() | st.integers(0, 9))
def test_every_example_comes_once_and_no_batch_is_too_large(lengths: np.ndarray, limit: int, seed: int | None) -> None:
    groups = plan(lengths, limit, None if seed is None else np.random.default_rng(seed))
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(lengths)))
    assert all(len(group) == 1 or lengths[group].max() * len(group) <= limit for group in groups)


def test_less_than_two_percent_of_the_computed_tokens_is_padding() -> None:
    lengths = np.random.default_rng(0).geometric(1 / 120, 20_000) + 10
    groups = plan(lengths, 4096, np.random.default_rng(1))
    computed = sum(int(lengths[group].max()) * len(group) for group in groups)
    assert computed < 1.02 * lengths.sum()


def test_labels_are_the_next_tokens() -> None:
    tokens = gather([Encoded([5, 6, 7], [IGNORE, 6, 7]), Encoded([8, 9], [IGNORE, 9])], 0)
    batch = make_batch(tokens, np.array([0, 1]))
    assert batch.ids.tolist() == [[5, 6, 7], [8, 9, 0]]
    assert batch.labels.tolist() == [[6, 7, IGNORE], [9, IGNORE, IGNORE]]
    assert batch.used == 3 + 2
