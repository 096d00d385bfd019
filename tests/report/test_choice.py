"""The sentences of `shoptalk choose` say what was found, for each kind of answer."""

from dataclasses import replace

import pytest

from shoptalk.report.choice import describe_choice, percent, rounded, short_percent
from shoptalk.results import ChoiceResult, CurvePoint, Estimate, ExpectedModel, MethodCurve


def curve(method: str, value: float, probability: float, p: float | None) -> MethodCurve:
    points = (CurvePoint(100, 800, Estimate(value, value - 0.02, value + 0.02, 60), 0.1),)
    return MethodCurve(method, points, Estimate(0.3 - value, 0, 0.1, 60), p, probability, None, None)


SIMPLEST = ChoiceResult(
    fingerprint="",
    metric="ndcg@10",
    users=100,
    purchases=800,
    items=50,
    validation_users=120,
    tuned_on=60,
    measured_on=60,
    seed=1,
    recommended="item_knn",
    best="transitions",
    kind="simplest",
    probability=0.2,
    loss=0.011,
    most_loss=0.052,
    users_needed=2345,
    curves=(curve("item_knn", 0.29, 0.2, 0.3), curve("transitions", 0.3, 0.8, None)),
    models=(ExpectedModel("item tokens", Estimate(0.35, 0.3, 0.4, 60), 0.85, 50, 5000, ("a",), ""),),
    curves_from="here",
    curve_error=None,
    seconds={},
    warnings=(),
    says=(),
)


def test_a_simpler_method_is_recommended_with_what_it_may_cost() -> None:
    first, why, more, model = describe_choice(SIMPLEST)
    assert first == "Use item-kNN."
    for part in ("simpler than transitions", "0.300 against 0.290", "p = 0.300", "20 %", "loses 0.011", "0.052"):
        assert part in why
    assert "about 2,300" in more
    assert "there are 120" in more
    assert model.startswith("Worth training: item tokens")
    assert "85 %" in model


@pytest.mark.parametrize(
    ("changes", "first", "part"),
    [
        ({"recommended": "transitions", "kind": "sure", "probability": 0.97}, "Use transitions.", "97 %"),
        (
            {"recommended": "item tokens", "kind": "model", "probability": 0.99},
            "Train item tokens.",
            "every simple method",
        ),
        ({"kind": "little"}, "Little can be said with 60 users to measure with. Begin with item-kNN.", "20 %"),
    ],
)
def test_the_other_kinds(changes: dict[str, object], first: str, part: str) -> None:
    said = describe_choice(replace(SIMPLEST, **changes))  # type: ignore[arg-type]
    assert said[0] == first
    assert part in said[1]


def test_resampling_shows_neither_certainty_nor_impossibility() -> None:
    assert [percent(value) for value in (1.0, 0.0, 0.5)] == ["more than 99 %", "less than 1 %", "50 %"]
    assert short_percent(1.0) == "> 99 %"
    assert [rounded(count) for count in (7, 123, 21_987)] == [7, 120, 22_000]
