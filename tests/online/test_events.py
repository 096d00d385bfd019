"""Events are stored once, found again after a kill, and erased with everything else about a person."""

import math
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from shoptalk.errors import RecordError
from shoptalk.online.database import Database, open_database
from shoptalk.online.events import (
    Added,
    Erased,
    Event,
    add_events,
    count_events,
    erase_user,
    histories,
    history,
    stored_about,
    was_erased,
)
from shoptalk.online.shown import Alternative, Recommendation, ShownItem, log_recommendation


def event(number: int, user: str = "u", **values: Any) -> Event:
    return Event(**{"event_id": f"{user}-{number}", "user_id": user, "item_id": f"i{number}", "kind": "click",
                    "timestamp": float(number), **values})  # fmt: skip


def test_events_are_stored_once(database: Database) -> None:
    assert add_events(database, [event(1), event(2)]) == Added(2, 0)
    assert add_events(database, [event(2, kind="purchase"), event(3), event(3)]) == Added(1, 2)
    assert [one.event_id for one in history(database, "u")] == ["u-1", "u-2", "u-3"]
    assert {one.kind for one in history(database, "u")} == {"click"}  # the first with an id is kept
    assert add_events(database, []) == Added(0, 0)


def test_writers_at_once_store_each_event_once(url: str) -> None:
    batch = [event(number) for number in range(200)]

    def write(turn: int) -> Added:
        database = open_database(url)
        try:  # in different orders, so that a database without a common order of locks would deadlock
            return add_events(database, batch if turn % 2 else batch[::-1])
        finally:
            database.close()

    with ThreadPoolExecutor(6) as pool:
        added = list(pool.map(write, range(6)))
    assert sum(one.stored for one in added) == 200
    assert sum(one.duplicates for one in added) == 5 * 200


def test_history_is_in_order_of_time(database: Database) -> None:
    add_events(database, [event(3), event(1), event(2, kind="purchase"), event(1, "other")])
    assert [one.item_id for one in history(database, "u")] == ["i1", "i2", "i3"]
    assert [one.item_id for one in history(database, "u", limit=2)] == ["i2", "i3"]
    assert [one.item_id for one in history(database, "u", kinds=["click"], limit=1)] == ["i3"]
    assert history(database, "nobody") == ()
    found = histories(database, ["u", "other", "nobody", *map(str, range(1200))], limit=1)
    assert {user: [one.item_id for one in events] for user, events in found.items()} == {"u": ["i3"], "other": ["i1"]}


def test_equal_times_keep_the_order_of_arrival(database: Database) -> None:
    batch = [event(number, timestamp=5.0) for number in (9, 4, 7)]
    add_events(database, batch)
    add_events(database, [event(1, timestamp=5.0)])
    assert [one.item_id for one in history(database, "u")] == ["i9", "i4", "i7", "i1"]


def test_values_come_back_as_they_went_in(database: Database) -> None:
    sent = event(1, user="名前 ' \" \\ %s :x", recommendation_id="r", value=12.5, timestamp=1_700_000_000.123456)
    add_events(database, [sent])
    assert history(database, sent.user_id) == (sent,)


@pytest.mark.parametrize(
    "wrong",
    [
        {"item_id": ""},
        {"item_id": "a\0b"},
        {"item_id": "\ud800"},
        {"kind": "x" * 501},
        {"user_id": 5},
        {"timestamp": math.nan},
        {"timestamp": -1.0},
        {"timestamp": 1_700_000_000_000.0},  # milliseconds
        {"timestamp": True},
        {"value": math.inf},
        {"value": 10**400},
        {"recommendation_id": ""},
    ],
)
def test_values_that_cannot_be_stored_store_nothing(database: Database, wrong: dict[str, Any]) -> None:
    with pytest.raises(RecordError) as caught:
        add_events(database, [event(1), event(2, **wrong)])
    assert caught.value.where == "event 1"
    assert count_events(database) == 0


WRITER = """
import sys
from shoptalk.online.database import open_database
from shoptalk.online.events import Event, add_events
database = open_database(sys.argv[1])
for number in range(10**9):
    batch = [Event(f"{number}-{part}", "u", "i", "click", float(number)) for part in range(3)]
    add_events(database, batch)
    print(number, flush=True)  # the acknowledgement
"""


@pytest.mark.parametrize("seconds", [0.05, 0.3, 0.7])
def test_a_killed_writer_loses_nothing_that_it_acknowledged(url: str, seconds: float) -> None:
    open_database(url).close()
    writer = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline()]
    time.sleep(seconds)
    writer.send_signal(signal.SIGKILL)
    acknowledged += writer.stdout.read().splitlines()
    assert writer.wait() == -signal.SIGKILL
    database = open_database(url)
    stored = [one.event_id for one in history(database, "u")]
    database.close()
    numbers = [int(line) for line in acknowledged if line.strip()]
    expected = {f"{number}-{part}" for number in numbers for part in range(3)}
    assert len(numbers) > 1
    assert expected <= set(stored)
    assert len(stored) - len(expected) in (0, 3)  # at most the one batch between commit and acknowledgement, whole


def test_what_is_stored_about_a_person_and_its_erasure(database: Database) -> None:
    for user in ("u", "other"):
        shown = (ShownItem("a", 2.0, 0.5), ShownItem("b", 1.0, 1.0))
        log_recommendation(
            database,
            Recommendation(f"r-{user}", user, shown, created=5.0, context={"page": "home"},
                           alternatives={"plain": Alternative(("a", "b"), (0.5, 1.0))}),
        )  # fmt: skip
        add_events(database, [event(1, user, recommendation_id=f"r-{user}")])
    stored = stored_about(database, "u")
    assert [one["event_id"] for one in stored["events"]] == ["u-1"]
    (answer,) = stored["recommendations"]
    assert answer["context"] == {"page": "home"}
    assert [(row["rank"], row["item_id"], row["probability"]) for row in answer["shown"]] == [
        (1, "a", 0.5),
        (2, "b", 1.0),
    ]
    assert was_erased(database, "u") is None
    assert erase_user(database, "u") == Erased(1, 1)
    assert stored_about(database, "u") == {"user_id": "u", "events": [], "recommendations": []}
    assert was_erased(database, "u") is not None
    assert was_erased(database, "other") is None
    assert len(stored_about(database, "other")["recommendations"]) == 1
    assert erase_user(database, "u") == Erased(0, 0)


def test_nothing_of_an_erased_person_is_left_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    database = open_database(path)
    name = "Ottoline-Vandersloot"
    add_events(database, [event(number, name) for number in range(300)])
    log_recommendation(database, Recommendation("r", name, (ShownItem("a"),)))

    def found() -> bool:
        return any(name.encode() in file.read_bytes() for file in tmp_path.iterdir())

    assert found()
    erase_user(database, name)
    assert not found()
    database.close()
