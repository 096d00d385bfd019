import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from shoptalk.evaluation import bootstrap
from shoptalk.evaluation.bootstrap import estimate, estimate_means, estimate_statistic, estimate_statistics, ratio

values = st.lists(st.floats(0, 1), min_size=2, max_size=40)


def test_mean_and_number_of_users() -> None:
    result = estimate([1, 0, 0, 1, 1])
    assert result.value == pytest.approx(3 / 5)
    assert result.n == 5


def test_missing_values_are_left_out_and_not_counted() -> None:
    result = estimate([1, math.nan, 0, math.nan])
    assert (result.value, result.n) == (1 / 2, 2)


@pytest.mark.parametrize("nothing", [[], [math.nan, math.nan]])
def test_nothing_left(nothing: list[float]) -> None:
    result = estimate(nothing)
    assert result.n == 0
    assert np.isnan([result.value, result.low, result.high]).all()


def test_one_user_has_no_spread() -> None:
    result = estimate([0, 1], users=["a", "a"])
    assert (result.value, result.n) == (1 / 2, 1)
    assert np.isnan([result.low, result.high]).all()


def test_equal_users_give_an_interval_without_width() -> None:
    result = estimate([0.25] * 7)
    assert (result.low, result.value, result.high) == (0.25, 0.25, 0.25)


def test_without_resamples_there_is_a_value_and_no_interval() -> None:
    result = estimate([0, 1], resamples=0)
    assert result.value == 1 / 2
    assert np.isnan([result.low, result.high]).all()


def test_mean_stays_that_over_cases_when_users_have_several() -> None:
    # a: 1, 1, 1 and b: 0. Over cases 3/4; over means of users it would be 1/2.
    result = estimate([1, 1, 0, 1], users=["a", "a", "b", "a"])
    assert (result.value, result.n) == (3 / 4, 2)
    # The resamples are aa (1), ab, ba (3/4), bb (0): all percentiles are among these.
    assert result.low == 0
    assert result.high == 1


def test_cases_of_one_user_make_the_interval_wider() -> None:
    generator = np.random.default_rng(0)
    per_user = generator.integers(0, 2, 60).astype(float)
    cases, users = np.repeat(per_user, 5), np.repeat([f"u{index}" for index in range(60)], 5)
    by_user, by_case = estimate(cases, users=users.tolist()), estimate(cases)
    # 300 cases that are 60 users five times over: the honest interval is sqrt(5) = 2.24 times as wide.
    assert (by_user.high - by_user.low) / (by_case.high - by_case.low) == pytest.approx(math.sqrt(5), rel=0.15)


def test_agrees_with_scipy() -> None:
    sample = np.random.default_rng(3).exponential(size=300)
    computed = estimate(sample, resamples=5000)
    scipy_interval = stats.bootstrap(
        (sample,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(4)
    ).confidence_interval
    assert computed.low == pytest.approx(scipy_interval.low, abs=0.01)
    assert computed.high == pytest.approx(scipy_interval.high, abs=0.01)


def test_same_seed_same_interval_other_seed_another() -> None:
    sample = np.random.default_rng(5).random(50)
    assert estimate(sample, seed=7) == estimate(sample, seed=7)
    assert estimate(sample, seed=7) != estimate(sample, seed=8)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = np.random.default_rng(5).random(50)
    whole = estimate(sample)
    monkeypatch.setattr(bootstrap, "_BLOCK", 70)  # one resample at a time
    pieces = estimate(sample)
    assert pieces.low == pytest.approx(whole.low, abs=1e-12)
    assert pieces.high == pytest.approx(whole.high, abs=1e-12)


def test_interval_covers_the_truth_about_95_times_in_100() -> None:
    generator, covered, trials = np.random.default_rng(11), 0, 600
    for trial in range(trials):
        result = estimate(generator.random(80) < 0.3, resamples=300, seed=trial)
        covered += result.low <= 0.3 <= result.high
    # 600 trials: the standard error of the coverage is sqrt(.95 * .05 / 600) = .009; percentiles run a bit short.
    assert 0.915 <= covered / trials <= 0.975


def test_interval_covers_the_truth_when_users_have_several_cases() -> None:
    generator, covered, trials = np.random.default_rng(12), 0, 400
    users = [f"u{index // 4}" for index in range(320)]
    for trial in range(trials):
        taste = generator.random(80)  # a user's own accuracy, so that his four cases hang together; the mean is 1/2
        result = estimate(generator.random(320) < np.repeat(taste, 4), users=users, resamples=300, seed=trial)
        covered += result.low <= 0.5 <= result.high
    assert 0.90 <= covered / trials <= 0.98


def test_any_statistic_of_sums() -> None:
    # Ratio of sums (1 + 2 + 3) / (2 + 2 + 4) = 6 / 8.
    parts = np.array([[1.0, 2.0], [2.0, 2.0], [3.0, 4.0]])
    assert estimate_statistic(parts, ratio).value == pytest.approx(6 / 8)


def test_resamples_without_the_statistic_are_left_out() -> None:
    # Columns: hits, cases that count. Resamples that draw only the user without such cases are 0 / 0.
    with np.errstate(invalid="ignore"):
        result = estimate_statistic(np.array([[1.0, 2.0], [0.0, 0.0]]), ratio)
    assert (result.value, result.low, result.high) == (1 / 2, 1 / 2, 1 / 2)


def test_interval_is_stretched_to_hold_a_biased_statistic() -> None:
    # |mean| of -1, 1, -1, 1 is 0 and grows with any resample; its percentiles alone could miss it.
    parts = np.stack([np.tile([-1.0, 1.0], 400), np.ones(800)], axis=1)
    result = estimate_statistic(parts, lambda sums: np.abs(ratio(sums)))
    assert result.low == result.value == 0
    assert result.high > 0


def test_users_must_match() -> None:
    with pytest.raises(ValueError, match="2 values, but 1 users"):
        estimate_statistics(np.ones((2, 2)), {"mean": ratio}, users=["a"])


@given(values)
@settings(max_examples=50, deadline=None)
def test_interval_holds_the_mean_and_stays_in_range(sample: list[float]) -> None:
    result = estimate(sample, resamples=100)
    assert min(sample) - 1e-9 <= result.low <= result.value <= result.high <= max(sample) + 1e-9
    assert result.value == pytest.approx(np.mean(sample))


@given(st.permutations(range(12)))
@settings(max_examples=30, deadline=None)
def test_order_of_cases_changes_nothing(order: list[int]) -> None:
    sample, users = np.arange(12) % 5 / 4, [f"u{index % 7}" for index in range(12)]
    before = estimate(sample, users=users, resamples=100)
    after = estimate(sample[order], users=[users[index] for index in order], resamples=100)
    assert (after.value, after.low, after.high) == pytest.approx((before.value, before.low, before.high))


def test_means_together_are_the_means_apart() -> None:
    generator = np.random.default_rng(2)
    table = {"one": generator.random(40), "other": generator.random(40)}
    users = [f"u{index % 25}" for index in range(40)]
    together = estimate_means(table, users=users, resamples=200, seed=3)
    for name, column in table.items():
        apart = estimate(column, users=users, resamples=200, seed=3)
        assert together[name].n == apart.n == 25
        assert (together[name].value, together[name].low, together[name].high) == pytest.approx(
            (apart.value, apart.low, apart.high)
        )


def test_many_values_are_summed_exactly() -> None:
    assert estimate(np.full(100_000, 0.1), resamples=0).value == pytest.approx(0.1, rel=1e-14)
