"""Answers are stored once, with what they showed."""

import math
from typing import Any

import pytest
from sqlalchemy import func, select

from shoptalk.errors import RecordError
from shoptalk.online.database import Database
from shoptalk.online.events import Event, add_events, stored_about
from shoptalk.online.shown import (
    Alternative,
    Recommendation,
    ShownItem,
    item_counts,
    log_recommendation,
    log_recommendations,
    set_weights,
)
from shoptalk.online.tables import ALTERNATIVES, EXPERIMENTS, RECOMMENDATIONS, SHOWN


def rows(database: Database, table: Any) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def one(name: str, *items: str, **values: Any) -> Recommendation:
    return Recommendation(name, "u", tuple(map(ShownItem, items)), **values)


def test_answers_are_stored_once(database: Database) -> None:
    batch = [one("r1", "a", "b"), one("r2", "a"), one("r2", "z", "y")]
    assert log_recommendations(database, batch) == 2
    assert log_recommendations(database, [one("r1", "x"), one("r3")]) == 1
    assert [rows(database, RECOMMENDATIONS), rows(database, SHOWN)] == [3, 3]
    assert log_recommendations(database, []) == 0


def test_what_is_stored_of_an_answer(database: Database) -> None:
    answer = Recommendation(
        "r", "u", (ShownItem("a", 2.5, 0.5), ShownItem("b")), "e", "new", "runs/beauty", "item_tokens",
        fallback=True, created=7.0, milliseconds=3.5, probability=0.25, context={"rules": ["hide"], "n": None},
        alternatives={"plain": Alternative(("b", "a"), (0.5, 1.0), 0.25)},
    )  # fmt: skip
    log_recommendation(database, answer)
    (stored,) = stored_about(database, "u")["recommendations"]
    assert stored["context"] == {"rules": ["hide"], "n": None}
    assert (stored["run"], stored["method"], stored["fallback"], stored["forced"]) == (
        "runs/beauty",
        "item_tokens",
        True,
        False,
    )
    assert (stored["created"], stored["milliseconds"], stored["probability"]) == (7.0, 3.5, 0.25)
    assert [(row["rank"], row["item_id"], row["score"], row["probability"]) for row in stored["shown"]] == [
        (1, "a", 2.5, 0.5),
        (2, "b", None, 1.0),
    ]
    assert rows(database, ALTERNATIVES) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        one("r", "a", context={"x": math.nan}),
        one("r", "a", context={"x": {"y": "\0"}}),
        one("r", "a", context={"x": object()}),
        one("r", "a", probability=-0.1),
        one("r", ""),
        one("", "a"),
        one("r", "a", arm=""),
        one("r", "a", milliseconds=math.inf),
        Recommendation("r", "u", (ShownItem("a", math.nan),)),
    ],
)
def test_values_that_cannot_be_stored_store_nothing(database: Database, wrong: Recommendation) -> None:
    with pytest.raises(RecordError):
        log_recommendations(database, [one("good", "a"), wrong])
    assert rows(database, RECOMMENDATIONS) == 0


def test_deep_context_is_refused(database: Database) -> None:
    deep: dict[str, Any] = {}
    for _ in range(50):
        deep = {"x": deep}
    with pytest.raises(RecordError, match="deeply"):
        log_recommendation(database, one("r", "a", context=deep))


def test_weights_are_recorded_when_they_change(database: Database) -> None:
    for weights in ({"a": 1, "b": 1}, {"a": 1, "b": 1}, {"b": 1, "a": 1}, {"a": 1.0, "b": 2}):
        set_weights(database, "e", weights)
    assert rows(database, EXPERIMENTS) == 3  # the order says which arm is the control


def test_counts_for_thompson_sampling(database: Database) -> None:
    log_recommendations(database, [one("r1", "a", "b", created=1.0), one("r2", "a", created=5.0)])
    add_events(
        database,
        [
            Event("1", "u", "a", "click", 2.0, "r1"),
            Event("2", "u", "a", "click", 3.0, "r1"),  # the same answer and item
            Event("3", "u", "b", "purchase", 3.0, "r1"),
            Event("4", "other", "a", "click", 6.0, "r2"),
            Event("5", "u", "x", "click", 6.0, "r2"),
        ],
    )
    assert item_counts(database, "click") == {"a": (1, 2), "b": (0, 1)}
    assert item_counts(database, "click", since=2.0) == {"a": (0, 1)}
