"""Assignment of users to arms."""

import math

import pytest

from shoptalk.errors import UsageError
from shoptalk.online.assignment import Assignment, Experiment

USERS = [f"user-{number}" for number in range(20_000)]


def shares(experiment: Experiment) -> dict[str, float]:
    arms = [experiment.assign(user).arm for user in USERS]
    return {arm: arms.count(arm) / len(arms) for arm in experiment.weights}


def test_arms_get_their_share() -> None:
    experiment = Experiment("e", {"a": 1, "b": 3, "c": 0}, "salt")
    assert experiment.shares == {"a": 0.25, "b": 0.75, "c": 0}
    found = shares(experiment)
    assert abs(found["a"] - 0.25) < 4 * math.sqrt(0.25 * 0.75 / len(USERS))
    assert found["c"] == 0


def test_a_user_keeps_the_arm() -> None:
    first, second = (Experiment("e", {"a": 1, "b": 1}, "salt") for _ in range(2))
    assert all(first.assign(user) == second.assign(user) for user in USERS[:500])
    assert (
        "".join(first.assign(str(number)).arm for number in range(8)) == "bbbbbaba"
    )  # the same on every machine and in every version


def test_a_changed_weight_moves_only_who_must_move() -> None:
    before = Experiment("e", {"a": 1, "b": 1, "c": 1}, "salt")
    after = Experiment("e", {"a": 1, "b": 1, "c": 2}, "salt")
    moves = {(before.assign(user).arm, after.assign(user).arm) for user in USERS}
    assert moves == {("a", "a"), ("b", "b"), ("c", "c"), ("a", "c"), ("b", "c")}
    without = Experiment("e", {"a": 1, "b": 1}, "salt")
    assert all(without.assign(user) == before.assign(user) for user in USERS if before.assign(user).arm != "c")


@pytest.mark.parametrize("other", [Experiment("f", {"a": 1, "b": 1}, "salt"), Experiment("e", {"a": 1, "b": 1}, "s")])
def test_other_experiments_and_salts_are_independent(other: Experiment) -> None:
    one = Experiment("e", {"a": 1, "b": 1}, "salt")
    same = sum(one.assign(user) == other.assign(user) for user in USERS) / len(USERS)
    assert abs(same - 0.5) < 4 * math.sqrt(0.25 / len(USERS))


def test_an_override_is_marked() -> None:
    experiment = Experiment("e", {"a": 1, "b": 0}, "salt")
    assert experiment.assign("u", "b") == Assignment("b", forced=True)
    with pytest.raises(UsageError, match="no arm 'x'"):
        experiment.assign("u", "x")


@pytest.mark.parametrize("weights", [{}, {"a": 0}, {"a": -1, "b": 2}, {"a": math.nan}, {"a": math.inf}])
def test_weights_that_are_no_distribution(weights: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Experiment("e", weights, "salt")


def test_any_text_is_a_user() -> None:
    experiment = Experiment("e", {"a": 1, "b": 1}, "salt")
    assert {experiment.assign(user).arm for user in ("", "\ud800", "\0", "名前", "x" * 10_000)} <= {"a", "b"}
