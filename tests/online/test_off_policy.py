"""Off-policy estimates: the published formulas by hand, simulated logs with known truth, and refusals."""

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from shoptalk.online.exploration import NO_EXPLORATION, ListPolicy, epsilon, plackett_luce
from shoptalk.online.off_policy import (
    Logs,
    doubly_robust,
    effective_size,
    estimates,
    predict_rewards,
    slate_iips,
    snipw,
)

MANY = 200  # copies of the hand-worked rows, so that the estimate is not refused for their small number


def many(values: list[float] | list[list[float]]) -> NDArray[np.float64]:
    return np.repeat(np.array(values, dtype=float), MANY, axis=0)


def test_snipw_by_hand() -> None:
    # π_e / π_b of four answers: .5/.25, .2/.4, .1/.2, 0/.5, rewards 1, 0, 1, 1
    found = snipw(many([2.0, 0.5, 0.5, 1.0]), many([1, 0, 1, 1]))
    assert found.value == pytest.approx((2 * 1 + 0.5 * 0 + 0.5 * 1 + 1 * 1) / (2 + 0.5 + 0.5 + 1))


def test_slate_iips_by_hand() -> None:
    # two answers of two places; the sum over places and answers, over the number of answers
    found = slate_iips(many([[2, 1], [0, 1]]), many([[1, 0], [1, 1]]))
    assert found.value == pytest.approx((2 * 1 + 1 * 0 + 0 * 1 + 1 * 1) / 2)


def test_doubly_robust_by_hand() -> None:
    weights, rewards = many([[2.0], [0.0]]), many([[1.0], [1.0]])
    shown, target = many([[0.6], [0.4]]), many([[0.5], [0.7]])
    # the predictions of the targets, and what the weighted answers had beyond their predictions: 1 - .6 and 1 - .4
    assert doubly_robust(weights, rewards, shown, target).value == pytest.approx((0.5 + 2 * 0.4 + 0.7 + 0 * 0.6) / 2)


def test_effective_size_by_hand() -> None:
    assert effective_size(np.array([1.0, 1, 1, 1])) == 4
    assert effective_size(np.array([3.0, 1, 0, 0])) == pytest.approx(4**2 / 10)
    assert effective_size(np.zeros(3)) == 0


ITEMS = ("a", "b", "c", "d", "e", "f")
#: What a customer does with an item, and with a place.
TASTE = dict(zip(ITEMS, (0.5, 0.35, 0.15, 0.3, 0.1, 0.25), strict=True))
ATTENTION = (1.0, 0.8, 0.6)


def value(items: tuple[str, ...]) -> float:
    """The expected number of clicks on a list."""
    return sum(TASTE[item] * attention for item, attention in zip(items, ATTENTION, strict=True))


def simulate(policy: ListPolicy, target: tuple[str, ...], n: int, seed: int = 1) -> Logs:
    """Answers of a policy to customers who click by TASTE and ATTENTION."""
    generator = np.random.default_rng(seed)
    lists = [policy.head + tail for tail in itertools.permutations(policy.pool, policy.places)]
    probabilities = np.array([policy.of_list(items) for items in lists])
    drawn = [lists[index] for index in generator.choice(len(lists), size=n, p=probabilities / probabilities.sum())]
    chances = np.array([[TASTE[item] for item in items] for items in drawn]) * ATTENTION
    marginal = {items: policy.at_ranks(items) for items in lists}
    return Logs(
        users=[f"u{number // 3}" for number in range(n)],  # three answers to each user
        shown=np.array([[ITEMS.index(item) for item in items] for items in drawn]),
        rewards=(generator.random(chances.shape) < chances).astype(float),
        probability=np.array([marginal[items] for items in drawn]),
        list_probability=np.array([policy.of_list(items) for items in drawn]),
        target=np.tile([ITEMS.index(item) for item in target], (n, 1)),
        target_probability=np.tile(policy.at_ranks(target), (n, 1)),
        target_list_probability=np.full(n, policy.of_list(target)),
    )


POLICIES = {
    "epsilon": epsilon(ITEMS, 3, places=2, share=0.5),
    "plackett-luce": plackett_luce(ITEMS, [3.0, 1.0, 0.8, 0.6, 0.4, 0.2], 3, places=2),
}


@pytest.mark.parametrize("target", [("a", "b", "c"), ("a", "d", "f")])
@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
def test_estimates_meet_the_truth(policy: ListPolicy, target: tuple[str, ...]) -> None:
    found = estimates(simulate(policy, target, 6000), policy=NO_EXPLORATION, arm="a", metric="click")
    assert [one.estimator for one in found] == ["snipw", "doubly_robust", "iips"]
    for one in found:
        assert one.refused is None
        assert one.low < value(target) < one.high
        assert abs(one.value - value(target)) < 0.12
        assert one.answers == 6000
        assert one.users == 2000
    widths = {one.estimator: one.high - one.low for one in found}
    assert widths["doubly_robust"] < widths["iips"] < widths["snipw"]


def test_intervals_contain_the_truth_in_about_95_percent() -> None:
    policy, target = epsilon(ITEMS, 3, places=2, share=1.0), ("a", "d", "f")
    within = np.zeros(3)
    for seed in range(40):
        found = estimates(simulate(policy, target, 3000, seed), policy="p", arm="a", metric="click")
        within += [one.low < value(target) < one.high for one in found]
    assert (within >= 0.85 * 40).all()


def test_wrong_predictions_do_not_bias_the_doubly_robust_estimate() -> None:
    policy, target = POLICIES["epsilon"], ("a", "d", "f")
    logs = simulate(policy, target, 20_000)
    weights = (logs.shown == logs.target) / logs.probability
    wrong = np.full(logs.rewards.shape, 0.9)
    assert doubly_robust(weights, logs.rewards, wrong, wrong).value == pytest.approx(value(target), abs=0.1)


def test_predictions_do_not_see_their_own_user() -> None:
    logs = simulate(POLICIES["epsilon"], ("a", "b", "c"), 900)
    before, _ = predict_rewards(logs)
    logs.rewards[:3] = 1 - logs.rewards[:3]  # the first user
    after, _ = predict_rewards(logs)
    assert (before[:3] == after[:3]).all()
    assert (before != after).any()


def test_no_support_is_refused() -> None:
    logs = simulate(POLICIES["epsilon"], ("b", "a", "c"), 3000)  # the head is always "a"
    for one in estimates(logs, policy="p", arm="a", metric="click"):
        assert one.refused is not None
        assert math.isnan(one.value)
    assert "no support: in 100.0%" in str(estimates(logs, policy="p", arm="a", metric="click")[1].refused)


def test_wrong_probabilities_are_refused() -> None:
    logs = simulate(POLICIES["epsilon"], ("a", "b", "c"), 3000)
    logs.probability[:, 1:] *= 0.7
    logs.list_probability[:] *= 0.7
    for one in estimates(logs, policy="p", arm="a", metric="click"):
        assert "not 1" in str(one.refused)


def test_too_little_is_refused() -> None:
    few = estimates(simulate(POLICIES["epsilon"], ("a", "d", "f"), 300), policy="p", arm="a", metric="click")
    assert "fewer than 100" in str(few[0].refused)
    logs = simulate(POLICIES["epsilon"], ("a", "b", "c"), 3000)
    logs.rewards[:] = 0
    for one in estimates(logs, policy="p", arm="a", metric="click"):
        assert "0 answers with a weight had an event" in str(one.refused)


def test_unknown_list_probabilities_refuse_only_snipw() -> None:
    logs = simulate(POLICIES["epsilon"], ("a", "b", "c"), 3000)
    logs.list_probability[5] = math.nan
    found = estimates(logs, policy="p", arm="a", metric="click")
    assert "not recorded" in str(found[0].refused)
    assert [one.refused for one in found[1:]] == [None, None]
