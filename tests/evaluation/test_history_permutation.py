import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptalk.errors import DatasetError
from shoptalk.evaluation.history_permutation import permutation_partners, personalisation_gap


def test_two_users_swap() -> None:
    assert permutation_partners(["a", "b"], [["i1"], ["i2"]], [["i3"], ["i4"]]).tolist() == [1, 0]


def test_everybody_gets_a_history_and_never_the_own() -> None:
    users = [f"u{index}" for index in range(200)]
    partners = permutation_partners(users, [[]] * 200, [[]] * 200)
    assert sorted(partners) == list(range(200))
    assert all(partners[index] != index for index in range(200))


def test_same_seed_same_partners() -> None:
    users = [f"u{index}" for index in range(30)]
    first, repeated, other_seed = (permutation_partners(users, [[]] * 30, [[]] * 30, seed=seed) for seed in (1, 1, 2))
    assert first.tolist() == repeated.tolist() != other_seed.tolist()


@pytest.mark.parametrize("seed", range(10))
def test_a_history_with_one_of_the_options_is_avoided(seed: int) -> None:
    # a's options hold what b had, b's what c had, and so on round: the one way out is the other way round.
    users, histories = ["a", "b", "c"], [["i0"], ["i1"], ["i2"]]
    options = [["i1", "x"], ["i2", "x"], ["i0", "x"]]
    assert permutation_partners(users, histories, options, seed=seed).tolist() == [2, 0, 1]


def test_an_overlap_that_cannot_be_avoided_is_better_than_the_own_history() -> None:
    assert permutation_partners(["a", "b"], [["i1"], ["i2"]], [["i2"], ["i1"]]).tolist() == [1, 0]


def test_no_user_gets_another_case_of_his_own() -> None:
    users = ["a", "a", "a", "b", "b", "b"]
    partners = permutation_partners(users, [[]] * 6, [[]] * 6)
    assert sorted(partners) == list(range(6))
    assert all(users[case] != users[partner] for case, partner in enumerate(partners))


def test_a_user_with_most_cases_shares_the_others_histories() -> None:
    users = ["a", "a", "a", "b"]
    partners = permutation_partners(users, [[]] * 4, [[]] * 4)
    assert partners[:3].tolist() == [3, 3, 3]
    assert partners[3] < 3


def test_one_user_has_no_partner() -> None:
    with pytest.raises(DatasetError, match="at least two users"):
        permutation_partners(["a", "a"], [[], []], [[], []])


def test_no_cases() -> None:
    assert permutation_partners([], [], []).tolist() == []


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sets(st.integers(0, 9).map(str)), st.sets(st.integers(0, 9).map(str))),
        max_size=20,
    ).filter(lambda cases: len({user for user, _, _ in cases}) != 1),
    st.integers(0, 99),
)
@settings(deadline=None)
def test_never_the_same_user(cases: list[tuple[str, set[str], set[str]]], seed: int) -> None:
    users, histories, options = ([case[column] for case in cases] for column in range(3))
    partners = permutation_partners(users, histories, options, seed=seed)
    assert len(partners) == len(users)
    assert all(users[case] != users[partner] for case, partner in enumerate(partners))


def test_gap_by_hand() -> None:
    # (1-0) + (1-1) + (0-0) + (1-0) = 2 of 4
    gap = personalisation_gap([1, 1, 0, 1], [0, 1, 0, 0], ["a", "b", "c", "d"])
    assert (gap.value, gap.n) == (2 / 4, 4)


def test_gap_of_what_never_looks_at_the_history_is_exactly_zero() -> None:
    correct = np.random.default_rng(0).integers(0, 2, 100)
    gap = personalisation_gap(correct, correct, [str(index) for index in range(100)])
    assert (gap.value, gap.low, gap.high) == (0, 0, 0)


def test_gap_is_paired() -> None:
    # Everybody loses exactly .1, whoever is drawn: no width, although the accuracies themselves spread widely.
    values = np.random.default_rng(0).random(50)
    gap = personalisation_gap(values, values - 0.1, [str(index) for index in range(50)])
    assert (gap.low, gap.high) == pytest.approx((0.1, 0.1))
