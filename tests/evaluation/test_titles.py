import math

import pytest

from shoptalk.evaluation.titles import nearest_titles, title_metrics

CATALOGUE = ["red lipstick", "blue lipstick", "hair dryer"]


def metrics(generated: list[str], targets: list[str | tuple[str, ...]]) -> dict[str, float]:
    users = [f"u{index}" for index in range(len(generated))]
    metrics_of_titles = title_metrics(
        generated, targets, CATALOGUE, users, [["hair dryer"]] * len(users), resamples=100
    )
    assert {value.n for value in metrics_of_titles.values()} == {len(users)}
    return {name: value.value for name, value in metrics_of_titles.items()}


@pytest.mark.parametrize(
    ("text", "exact", "nearest", "invalid"),
    [
        ("red lipstick", 1, 1, 0),
        ("  red \n lipstick ", 1, 1, 0),  # white space is no difference
        ("Red lipstick", 0, 1, 1),  # a capital is
        ("red lipstic", 0, 1, 1),
        ("hair dryer", 0, 0, 0),  # a title, but the wrong one
        ("hair dryers", 0, 0, 1),
        ("", 0, 0, 1),
        ("%%%", 0, 0, 1),  # shares nothing with any title
    ],
)
def test_one_text(text: str, exact: float, nearest: float, invalid: float) -> None:
    assert metrics([text], ["red lipstick"]) == {
        "exact_match": exact,
        "nearest_match": nearest,
        "invalid_share": invalid,
        "echo_share": float(text == "hair dryer"),  # what the history holds
    }


def test_invalid_outputs_stay_in_the_denominator() -> None:
    metrics_of_titles = metrics(["red lipstick", "nonsense", "", "hair dryer"], ["red lipstick"] * 4)
    assert metrics_of_titles["exact_match"] == 1 / 4
    assert metrics_of_titles["invalid_share"] == 2 / 4


def test_a_substring_is_not_a_match() -> None:
    assert metrics(["red lipstick and more"], ["red lipstick"])["exact_match"] == 0


def test_any_of_several_right_titles() -> None:
    assert metrics(["hair dryer"], [("red lipstick", "hair dryer")])["exact_match"] == 1


def test_equally_near_titles_share() -> None:
    assert nearest_titles(["ad"], ["ab", "ac", "xy"]) == {"ad": {"ab", "ac"}}
    metrics_of_titles = title_metrics(["ad"], ["ab"], ["ab", "ac", "xy"], ["u"], [[]], resamples=100)
    assert metrics_of_titles["nearest_match"].value == 1 / 2


def test_nearness_by_hand() -> None:
    # abcd to abc: 1 deletion in 7 letters, 1 - 1/7 = .857; to abxx: 4 in 8, .5.
    assert nearest_titles(["abcd"], ["abc", "abxx"]) == {"abcd": {"abc"}}


def test_empty_catalogue() -> None:
    assert nearest_titles(["a"], []) == {"a": frozenset()}


def test_no_cases() -> None:
    metrics_of_titles = title_metrics([], [], CATALOGUE, [], [])
    assert all(math.isnan(value.value) and value.n == 0 for value in metrics_of_titles.values())
