"""The stated probabilities are those of the lists that are drawn: by enumeration, and by counting draws."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from shoptalk.errors import UsageError
from shoptalk.online.exploration import ListPolicy, epsilon, plackett_luce, rank_probabilities, thompson

ITEMS = ["a", "b", "c", "d", "e", "f"]
POLICIES = {
    "epsilon": epsilon(ITEMS, 4, places=2, share=0.3),
    "plackett-luce": plackett_luce(ITEMS, [9.0, 8.0, 2.0, 1.5, 1.0, -0.5], 4, places=2, temperature=0.8),
    "thompson": thompson(ITEMS, [50, 40, 3, 2, 1, 30], [90, 90, 30, 40, 5, 400], 4, places=2),
}
CASES = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())


def lists(policy: ListPolicy) -> list[tuple[str, ...]]:
    return [policy.head + tail for tail in itertools.permutations(policy.pool, policy.places)]


@CASES
def test_probabilities_of_all_lists_sum_to_one(policy: ListPolicy) -> None:
    assert math.fsum(map(policy.of_list, lists(policy))) == pytest.approx(1, abs=1e-3)
    table = np.array([[policy.at_ranks(("a", "b", *["x"] * rank, item))[-1] for item in "cdef"] for rank in (0, 1)])
    assert table.sum(axis=1) == pytest.approx([1, 1], abs=1e-3)


@CASES
def test_the_probability_at_a_rank_is_the_sum_over_lists(policy: ListPolicy) -> None:
    for items in lists(policy):
        summed = [
            math.fsum(policy.of_list(other) for other in lists(policy) if other[rank] == items[rank])
            for rank in range(4)
        ]
        assert policy.at_ranks(items) == pytest.approx(summed, abs=1e-3)


@CASES
def test_lists_are_drawn_with_their_probabilities(policy: ListPolicy) -> None:
    generator, n = np.random.default_rng(5), 6000
    counts = Counter(policy.draw(generator).items for _ in range(n))
    assert set(counts) <= set(lists(policy))
    expected = np.array([policy.of_list(items) for items in lists(policy)]) * n
    observed = np.array([counts[items] for items in lists(policy)])
    chi_square = ((observed - expected) ** 2 / expected).sum()
    assert chi_square < 31.3  # 11 degrees of freedom, p = .001


@CASES
def test_a_drawn_list_comes_with_its_probabilities(policy: ListPolicy) -> None:
    drawn = policy.draw(np.random.default_rng(1))
    assert drawn.items[:2] == ("a", "b")
    assert drawn.probabilities == policy.at_ranks(drawn.items)
    assert drawn.probabilities[:2] == (1.0, 1.0)
    assert drawn.probability == policy.of_list(drawn.items)
    assert drawn.without.items == ("a", "b", "c", "d")
    assert drawn.without.probability == policy.of_list(drawn.without.items)


def test_epsilon_by_hand() -> None:
    policy = POLICIES["epsilon"]  # a pool of 4 for 2 places: 4!/2! = 12 lists
    assert policy.of_list(ITEMS[:4]) == pytest.approx(0.7 + 0.3 / 12)
    assert policy.of_list(["a", "b", "d", "c"]) == pytest.approx(0.3 / 12)
    assert policy.at_ranks(["a", "b", "c", "e"]) == pytest.approx([1, 1, 0.7 + 0.3 / 4, 0.3 / 4])


def test_plackett_luce_by_hand() -> None:
    policy = plackett_luce(["a", "b", "c"], np.log([1, 2, 5]), 2, places=2)
    assert policy.of_list(["c", "a"]) == pytest.approx(5 / 8 * 1 / 3)
    assert policy.at_ranks(["b", "b"]) == pytest.approx([2 / 8, 1 / 8 * 2 / 7 + 5 / 8 * 2 / 3], abs=1e-4)


def test_thompson_by_hand() -> None:
    policy = thompson(["a", "b"], [1, 0], [1, 0], 1, places=1, prior=(1.0, 1.0))
    # Beta(2, 1) has the density 2x, Beta(1, 1) is uniform: P(a > b) = ∫ 2x · x dx = 2/3
    assert policy.at_ranks(["a"]) == pytest.approx([2 / 3], abs=1e-3)
    assert policy.of_list(["b"]) == pytest.approx(1 / 3, abs=1e-3)


def test_thompson_with_much_and_little_known() -> None:
    trials = np.array([2_000_000, 10, 0, 500, 50_000, 3])
    policy = thompson(ITEMS, np.array([100_000, 2, 0, 20, 2_600, 1]), trials, 3, places=3)
    generator, n = np.random.default_rng(2), 4000
    first = Counter(policy.draw(generator).items[0] for _ in range(n))
    for item in ITEMS:
        p = policy.at_ranks([item])[0]
        assert abs(first[item] / n - p) < 4 * math.sqrt(p * (1 - p) / n) + 1e-3


def test_extreme_scores_stay_probabilities() -> None:
    policy = plackett_luce(ITEMS, [1e6, 0, -1e6, 3, 2, 1], 6, places=6, temperature=0.01)
    drawn = policy.draw(np.random.default_rng(1))
    assert drawn.items[0] == "a"
    assert all(0 <= p <= 1 + 1e-9 for p in (*drawn.probabilities, drawn.probability))


def test_ranks_of_three_equal_scores() -> None:
    cdf = np.repeat(np.linspace(0, 1, 500)[:, None], 3, axis=1)
    assert rank_probabilities(cdf, 3) == pytest.approx(np.full((3, 3), 1 / 3), abs=1e-4)


def test_lists_that_a_policy_cannot_show() -> None:
    policy = POLICIES["epsilon"]
    for items in (["b", "a", "c", "d"], ["a", "b", "c"], ["a", "b", "c", "x"], ["a", "b", "c", "c"]):
        assert policy.of_list(items) == 0
    assert policy.at_ranks(["b", "a", "x"]) == (0, 0, 0)


def test_short_lists_and_no_places() -> None:
    assert epsilon(["a", "b"], 10, places=3, share=1.0).draw(np.random.default_rng(1)).items == ("a", "b")
    assert plackett_luce(["a"], [1.0], 3, places=2).draw(np.random.default_rng(1)).probability == 1.0
    assert thompson([], [], [], 3, places=2).draw(np.random.default_rng(1)).items == ()
    drawn = epsilon(ITEMS, 3, places=0, share=1.0).draw(np.random.default_rng(1))
    assert (drawn.items, drawn.probability) == (("a", "b", "c"), 1.0)


def test_refused_settings() -> None:
    for wrong in (
        lambda: epsilon(ITEMS, 3, places=4, share=0.1),
        lambda: epsilon(ITEMS, 3, places=1, share=1.5),
        lambda: epsilon(["a", "a"], 1, places=1, share=0.5),
        lambda: plackett_luce(ITEMS, [1.0], 3, places=1),
        lambda: plackett_luce(ITEMS, [math.nan] * 6, 3, places=1),
        lambda: plackett_luce(ITEMS, [1.0] * 6, 3, places=1, temperature=0),
        lambda: thompson(ITEMS, [2] * 6, [1] * 6, 3, places=1),
    ):
        with pytest.raises(UsageError):
            wrong()
