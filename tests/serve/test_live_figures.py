"""The figures of the dashboard: bins of a period, and drift."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from shoptalk.online.database import Database, open_database
from shoptalk.online.events import Event, add_events
from shoptalk.online.shown import Recommendation, ShownItem, log_recommendations
from shoptalk.serve.live_figures import (
    HOUR,
    Period,
    Trained,
    answers_over_time,
    drift,
    drift_of,
    events_over_time,
    period_of,
    times,
)

PERIOD = Period(0.0, 4 * HOUR, HOUR)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "shop.db")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("hours", "width", "bins"),
    [
        (1, 300, 12),  # 60 bins of a minute are too many
        (24, 3600, 24),
        (168, 6 * 3600, 28),
        (8784, 30 * 86_400, 12),
    ],
)
def test_bins_are_round_times(hours: float, width: float, bins: int) -> None:
    period = period_of(hours, now=1_700_000_123.0)
    assert (period.width, period.bins) == (width, bins)
    assert period.end % width == 0
    assert period.end - width <= 1_700_000_123.0 < period.end


def test_answers_and_times(database: Database) -> None:
    created = [10.0, HOUR + 1, HOUR + 2, 2 * HOUR - 1e-3, 5 * HOUR]  # the last is outside
    log_recommendations(
        database,
        [
            Recommendation(
                str(number),
                "u",
                (ShownItem("a", 1.0, 1.0),),
                created=at,
                milliseconds=4.0 * number,
                fallback=number == 2,
            )
            for number, at in enumerate(created)
        ],
    )
    found = answers_over_time(database, PERIOD)
    assert [(one["answers"], one["fallbacks"]) for one in found] == [(1, 0), (3, 1), (0, 0), (0, 0)]
    timed = times(database, PERIOD)  # 0, 4, 8 and 12 ms
    assert timed["answers"] == 4
    assert timed["p50"] == 6.0
    assert timed["counts"] == [1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]  # up to 1, 2, 5, 10, 20, ...


def test_events(database: Database) -> None:
    for number, (kind, at) in enumerate([("click", 1.0), ("click", HOUR), ("purchase", HOUR * 3.5)]):
        add_events(database, [Event(str(number), "u", "a", kind, 0.0)], received=at)
    assert events_over_time(database, PERIOD) == {"click": [1, 1, 0, 0], "purchase": [0, 0, 0, 1]}


def test_drift_is_the_total_variation_distance() -> None:
    # a: 1/2 -> 3/4, b: 1/2 -> 0, new: 0 -> 1/4; half of 1/4 + 1/2 + 1/4
    found = drift_of(["a"] * 30 + ["new"] * 10, {"a": 5.0, "b": 5.0})
    assert found["distance"] == pytest.approx((0.25 + 0.5 + 0.25) / 2)
    assert found["new_share"]["value"] == 10 / 40
    assert found["new_share"]["low"] < 0.25 < found["new_share"]["high"]
    assert found["chance"]["high"] < found["distance"]


def test_draws_from_the_training_purchases_are_within_chance() -> None:
    counts = {f"i{number}": float(number + 1) for number in range(50)}
    shares = np.array(list(counts.values())) / sum(counts.values())
    inside = 0
    for seed in range(40):
        drawn = np.random.default_rng(seed + 1).choice(list(counts), size=200, p=shares).tolist()
        found = drift_of(drawn, counts)
        inside += found["chance"]["low"] <= found["distance"] <= found["chance"]["high"]
    assert inside >= 33  # 95 % of 40 is 38; fewer than 33 has a probability below .001


def test_purchases_are_used_if_there_are_enough_else_clicks(database: Database) -> None:
    trained = Trained({"a": 10.0}, 0.1)
    add_events(database, [Event(f"c{n}", "u", "a", "click", 0.0) for n in range(20)], received=HOUR)
    assert drift(database, PERIOD, trained)["kind"] == "click"
    add_events(database, [Event(f"p{n}", "u", "a", "purchase", 0.0) for n in range(25)], received=3.9 * HOUR)
    found = drift(database, PERIOD, trained)
    assert (found["kind"], found["all"]["events"], found["all"]["distance"]) == ("purchase", 25, 0.0)
    assert [part["events"] for part in found["parts"]] == [0, 0, 0, 0, 0, 0, 0, 25]
