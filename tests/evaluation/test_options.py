import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptalk.evaluation.options import correctness, option_metrics, option_outcomes, position_report
from shoptalk.results import PositionShare


def metrics(scores: list[list[float]], answers: list[int], users: list[str] | None = None) -> dict[str, float]:
    results = option_metrics(
        [np.array(row) for row in scores],
        answers,
        users or [f"u{index}" for index in range(len(scores))],
        resamples=100,
    )
    return {name: value.value for name, value in results.items()}


@pytest.mark.parametrize(
    ("scores", "answer", "correct", "reciprocal"),
    [
        ([0.1, 0.9, 0.2], 1, 1, 1 / 1),  # best
        ([0.1, 0.9, 0.2], 2, 0, 1 / 2),
        ([0.1, 0.9, 0.2], 0, 0, 1 / 3),
        ([5, 5, 5, 5], 0, 1 / 4, (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4),  # all alike: chance, whatever comes first
        ([5, 5, 1], 0, 1 / 2, (1 + 1 / 2) / 2),  # one of two best
        ([9, 5, 5], 1, 0, (1 / 2 + 1 / 3) / 2),  # tied behind the best
        ([5, 5, 1], 2, 0, 1 / 3),
        ([-math.inf, 0], 1, 1, 1),
        ([-math.inf, -math.inf], 1, 1 / 2, (1 + 1 / 2) / 2),
        ([math.inf, math.inf, 0], 0, 1 / 2, (1 + 1 / 2) / 2),
        ([math.nan, 1], 1, 0, 0),  # a NaN anywhere: no choice was made
        ([1, math.nan], 1, 0, 0),
        ([math.nan, math.nan], 0, 0, 0),
        ([3], 0, 1, 1),  # a single option cannot be missed
    ],
)
def test_one_case(scores: list[float], answer: int, correct: float, reciprocal: float) -> None:
    outcomes = option_outcomes([np.array(scores)], [answer])
    assert outcomes.correct == pytest.approx([correct])
    assert outcomes.reciprocal == pytest.approx([reciprocal])


def test_cases_of_different_sizes() -> None:
    # Padding must neither win (all scores below 0) nor tie (scores of 0 and -inf).
    scores = [np.array([-3.0, -2.0]), np.array([-9.0, -8.0, -7.0]), np.array([-math.inf, -math.inf]), np.array([0.0])]
    assert correctness(scores, [1, 0, 0, 0]).tolist() == [1, 0, 1 / 2, 1]
    # exp(-3) : exp(-2), exp(-9) : exp(-8) : exp(-7), two alike, one alone
    expected = [1 / (1 + math.exp(-1)), 1 / (1 + math.exp(-1) + math.exp(-2)), 1 / 2, 1]
    assert option_outcomes(scores, [1, 0, 0, 0]).confidence == pytest.approx(expected)


def test_all_metrics_by_hand() -> None:
    # Choices 0, 1, 1, 0 for answers 0, 1, 0, 1 with two options.
    results = metrics([[1, 0], [0, 1], [0, 1], [1, 0]], [0, 1, 0, 1])
    assert results["accuracy"] == results["exact_match"] == 2 / 4
    assert results["mrr"] == (1 + 1 + 1 / 2 + 1 / 2) / 4
    assert results["precision"] == (1 / 2 + 1 / 2) / 2
    assert results["recall"] == (1 / 2 + 1 / 2) / 2
    assert results["f1"] == pytest.approx(1 / 2)
    # Every confidence is e / (e + 1) = .731, so one bin holds all: |.5 - .731|.
    assert results["ece"] == pytest.approx(math.e / (math.e + 1) - 1 / 2)


def test_a_position_never_chosen_has_precision_0() -> None:
    # Always the first of two: precision 1/2 and 0, recall 1 and 0, F1 = 2/3 and 0.
    results = metrics([[1, 0], [1, 0]], [0, 1])
    assert results["precision"] == (1 / 2 + 0) / 2
    assert results["recall"] == (1 + 0) / 2
    assert results["f1"] == pytest.approx((2 / 3 + 0) / 2)


def test_constant_scores_get_chance_in_everything() -> None:
    results = metrics([[7.0] * 4] * 8, [0, 1, 2, 3] * 2)
    assert results["accuracy"] == results["precision"] == results["recall"] == results["f1"] == 1 / 4
    assert results["ece"] == pytest.approx(0)


def test_nan_stays_in_the_denominator() -> None:
    results = metrics([[math.nan, 1], [0, 1]], [1, 1])
    assert results["accuracy"] == 1 / 2
    assert results["recall"] == 1 / 2  # position 1 is asked twice, hit once; position 0 does not occur
    assert results["precision"] == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scikit_learn(seed: int) -> None:
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    generator = np.random.default_rng(seed)
    answers = generator.integers(0, 4, 200)
    scores = generator.normal(size=(200, 4))
    scores[np.arange(200), answers] += 1
    scores[:, 3] -= 9 * (seed == 4)  # a position that is never chosen
    choices = scores.argmax(axis=1)
    precision, recall, f1, _ = precision_recall_fscore_support(answers, choices, average="macro", zero_division=0)
    results = metrics(scores.tolist(), answers.tolist())
    expected = (accuracy_score(answers, choices), precision, recall, f1)
    assert (results["accuracy"], results["precision"], results["recall"], results["f1"]) == pytest.approx(expected)


def test_intervals_are_over_users() -> None:
    results = option_metrics([np.array([1.0, 0.0])] * 4, [0, 0, 1, 1], ["a", "a", "b", "b"], resamples=200)
    assert all(value.n == 2 for value in results.values())
    assert (results["accuracy"].low, results["accuracy"].high) == (0, 1)  # users aa, ab or bb


def test_macro_interval_covers_a_fair_coin() -> None:
    generator = np.random.default_rng(1)
    scores = list(generator.normal(size=(400, 4)))
    results = option_metrics(scores, generator.integers(0, 4, 400).tolist(), [str(index) for index in range(400)])
    assert results["f1"].low < 0.25 < results["f1"].high
    assert results["f1"].high - results["f1"].low == pytest.approx(2 * 1.96 * math.sqrt(0.25 * 0.75 / 400), rel=0.25)


def test_no_cases() -> None:
    assert all(value.n == 0 and math.isnan(value.value) for value in option_metrics([], [], []).values())


@pytest.mark.parametrize(("scores", "answers"), [([[1, 2]], [2]), ([[1, 2]], [-1]), ([[]], [0]), ([[1, 2]], [0, 1])])
def test_what_cannot_be_judged(scores: list[list[float]], answers: list[int]) -> None:
    with pytest.raises(ValueError, match=r"answers?"):
        option_outcomes([np.array(row) for row in scores], answers)


def test_position_report_by_hand() -> None:
    # Always the first of two; right in one of three. Chosen 3/3 and 0, answers 1/3 and 2/3: bias (2/3 + 2/3) / 2.
    report = position_report([np.array([1.0, 0.0])] * 3, [0, 1, 1])
    assert report.positions == (
        PositionShare(1, answers=pytest.approx(1 / 3), chosen=pytest.approx(1.0), accuracy=1.0),
        PositionShare(2, answers=pytest.approx(2 / 3), chosen=0.0, accuracy=0.0),
    )
    assert report.bias == pytest.approx(2 / 3)
    assert report.no_choice == 0


def test_position_report_without_choices() -> None:
    report = position_report([np.array([math.nan, 0.0]), np.array([2.0, 1.0])], [0, 0])
    assert report.no_choice == 1 / 2
    assert report.bias == 0  # the missing choice is not a bias for a position
    assert report.positions[0].accuracy == 1 / 2
    assert math.isnan(report.positions[1].accuracy)


cases = st.lists(
    st.lists(st.one_of(st.integers(-3, 3).map(float), st.just(math.nan)), min_size=1, max_size=5).flatmap(
        lambda row: st.tuples(st.just(row), st.integers(0, len(row) - 1))
    ),
    min_size=1,
    max_size=12,
)


@given(cases)
@settings(max_examples=60, deadline=None)
def test_metrics_are_shares(drawn: list[tuple[list[float], int]]) -> None:
    scores, answers = [row for row, _ in drawn], [answer for _, answer in drawn]
    for name, value in metrics(scores, answers).items():
        assert -1e-12 <= value <= 1 + 1e-12, name


@given(cases, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_shuffling_the_options_changes_neither_accuracy_nor_mrr(
    drawn: list[tuple[list[float], int]], chance: Any
) -> None:
    shuffled = []
    for row, answer in drawn:
        order = list(range(len(row)))
        chance.shuffle(order)
        shuffled.append(([row[index] for index in order], order.index(answer)))
    before = metrics([row for row, _ in drawn], [answer for _, answer in drawn])
    after = metrics([row for row, _ in shuffled], [answer for _, answer in shuffled])
    assert (after["accuracy"], after["mrr"], after["ece"]) == pytest.approx(
        (before["accuracy"], before["mrr"], before["ece"])
    )
