"""What `shoptalk online` says: attribution by hand, and a simulated shop whose truth is known."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from shoptalk.cli.main import main
from shoptalk.errors import DatabaseError
from shoptalk.online.assignment import Experiment
from shoptalk.online.database import Database, open_database
from shoptalk.online.events import Event, add_events
from shoptalk.online.exploration import NO_EXPLORATION, epsilon
from shoptalk.online.shown import Recommendation, ShownItem, log_recommendation, log_recommendations, set_weights
from shoptalk.online.summary import DAY, summarise
from shoptalk.results import OnlineResult, as_json, from_json

NOW = 1_000_000_000.0


def answer(database: Database, name: str, user: str, arm: str, created: float, **values: object) -> None:
    items = (ShownItem("a"), ShownItem("b"))
    log_recommendation(database, Recommendation(name, user, items, "e", arm, created=created, **values))  # type: ignore[arg-type]


def event(name: str, user: str, item: str, kind: str, time: float, answered: str | None) -> Event:
    return Event(name, user, item, kind, time, answered)


def test_attribution_by_hand(database: Database) -> None:
    answer(database, "r1", "u1", "one", NOW, milliseconds=5.0)
    answer(database, "r2", "u2", "one", NOW, fallback=True)
    answer(database, "r3", "u3", "two", NOW)
    answer(database, "r3b", "u3", "one", NOW + 10)  # moved: counts for the arm of the first answer
    answer(database, "r4", "u4", "two", NOW + 5 * DAY)  # the window is not over
    answer(database, "r5", "u5", "two", NOW, forced=True)
    answer(database, "r1b", "u1", "one", NOW + 100)
    add_events(
        database,
        [
            event("1", "u1", "a", "click", NOW + 1, "r1"),
            event("2", "u1", "a", "click", NOW + 2, "r1"),  # the same answer and item once more
            event("3", "u1", "b", "purchase", NOW + 200, "r1b"),
            event("4", "u2", "x", "click", NOW + 1, "r2"),  # was not shown
            event("5", "u1", "a", "click", NOW + 1, "r2"),  # another user's answer
            event("6", "u2", "a", "click", NOW - 100, "r2"),  # before the answer
            event("7", "u2", "a", "click", NOW + DAY + 1, "r2"),  # after the window
            event("8", "u2", "a", "click", NOW + 1, None),
            event("9", "u3", "a", "click", NOW + 11, "r3b"),
            event("10", "u4", "a", "click", NOW + 5 * DAY + 1, "r4"),
            event("11", "u5", "a", "click", NOW + 1, "r5"),
        ],
    )
    result = summarise(database, now=NOW + 5 * DAY + 60)
    assert result.events == 11
    assert result.attributed == pytest.approx(7 / 11)  # all but 4, 5, 6 and 8
    (found,) = result.experiments
    assert [arm.arm for arm in found.arms] == ["one", "two"]
    one, two = found.arms
    assert (one.users, one.pending, one.answers, one.moved) == (2, 0, 4, 0)
    assert (two.users, two.pending, two.answers, two.moved) == (1, 1, 2, 1)
    assert (one.rates["click"].value, one.rates["click"].n) == (1 / 2, 2)
    assert (one.rates["purchase"].value, one.rates["basket"].value) == (1 / 2, 0)
    assert two.rates["click"].value == 1
    assert one.per_answer["click"] == 3 / 4  # r1, r2 (late, but it is an answer that led to a click), r3b
    assert one.fallback == 1 / 4
    assert one.milliseconds == (5.0, 5.0)
    assert found.comparisons[0].judgement == "too_early"
    assert found.sample_ratio is None
    assert any("not recorded" in warning for warning in found.warnings)
    assert any("several arms" in warning for warning in found.warnings)
    assert any("fallback" in warning for warning in found.warnings)


ITEMS = ("a", "b", "c", "d", "e", "f")
TASTE = dict(zip(ITEMS, (0.08, 0.06, 0.02, 0.05, 0.01, 0.04), strict=True))


def shop(database: Database, lists: dict[str, tuple[str, ...]], *, users: int, lost: float = 0.0) -> None:
    """Customers who click on each item shown with its probability in TASTE; lists of three, the last two explored."""
    generator = np.random.default_rng(1)
    experiment = Experiment("e", dict.fromkeys(lists, 1.0), "salt")
    set_weights(database, "e", experiment.weights)
    answers, clicks = [], []
    for number in range(users):
        user = f"u{number}"
        arm = experiment.assign(user).arm
        if arm == "new" and generator.random() < lost:
            continue
        drawn = epsilon(lists[arm], 3, places=2, share=0.5).draw(generator)
        name, time = f"r{number}", current() - 10 * DAY + number
        answers.append(
            Recommendation(
                name,
                user,
                tuple(map(ShownItem, drawn.items, [None] * 3, drawn.probabilities)),
                "e",
                arm,
                created=time,
                probability=drawn.probability,
                alternatives={NO_EXPLORATION: drawn.without},
            )
        )
        clicks += [
            event(f"{name}{item}", user, item, "click", time + 5, name)
            for item in drawn.items
            if generator.random() < TASTE[item]
        ]
    assert log_recommendations(database, answers) == len(answers)
    for start in range(0, len(clicks), 1000):
        add_events(database, clicks[start : start + 1000])


def current() -> float:
    from shoptalk.online.records import now

    return now()


def set_back(database: Database) -> None:
    """Let the weights be in force before the first user."""
    from sqlalchemy import update

    from shoptalk.online.tables import EXPERIMENTS

    with database.write() as connection:
        connection.execute(update(EXPERIMENTS).values(since=0.0))


BAD, GOOD = ("e", "c", "f", "d", "b", "a"), ITEMS


def test_a_better_arm_is_found_and_its_value_without_exploration_estimated(database: Database) -> None:
    shop(database, {"old": BAD, "new": GOOD}, users=6000)
    set_back(database)
    result = summarise(database)
    (found,) = result.experiments
    assert found.control == "old"
    assert found.sample_ratio is not None
    assert not found.sample_ratio.mismatch
    (comparison,) = found.comparisons
    assert comparison.judgement == "better"
    assert 0 < comparison.low < comparison.difference < comparison.high
    assert found.verdict.startswith("new has more users with a click than old")
    estimates = {(one.arm, one.estimator): one for one in found.off_policy}
    assert len(estimates) == 6
    for arm, items in (("old", BAD), ("new", GOOD)):
        truth = sum(TASTE[item] for item in items[:3])
        for estimator in ("snipw", "doubly_robust", "iips"):
            one = estimates[arm, estimator]
            assert one.refused is None
            assert one.low < truth < one.high
    assert estimates["new", "snipw"].value > estimates["new", "snipw"].in_use  # exploring costs clicks here
    assert from_json(OnlineResult, json.loads(json.dumps(as_json(result)))) == result


def test_equal_arms_are_not_called_different(database: Database) -> None:
    shop(database, {"old": GOOD, "new": GOOD}, users=3000)
    set_back(database)
    (found,) = summarise(database).experiments
    (comparison,) = found.comparisons
    assert comparison.judgement == "undecided"
    assert comparison.low < 0 < comparison.high
    assert comparison.detectable > 0
    assert comparison.users_needed is not None
    assert "not known" in found.verdict
    (equal,) = summarise(database, margin=0.2).experiments
    assert equal.comparisons[0].judgement == "equivalent"


def test_a_look_sees_nothing_of_what_came_later(tmp_path: Path) -> None:
    generator, look = np.random.default_rng(3), NOW + 2 * DAY
    answers, clicks = [], []
    for number in range(400):
        user, time = f"u{generator.integers(150)}", NOW + float(generator.random()) * 5 * DAY
        arm = "one" if int(user[1:]) % 2 else "two"
        answers.append(Recommendation(f"r{number}", user, (ShownItem("a"),), "e", arm, created=time))
        late = time + float(generator.random()) * 2 * DAY
        clicks.append(event(f"c{number}", user, "a", "click", late, f"r{number}"))

    def shown(name: str, until: float, now: float) -> str:
        database = open_database(tmp_path / name)
        log_recommendations(database, [one for one in answers if one.created <= until])
        add_events(database, [one for one in clicks if one.timestamp <= until])
        result = repr(summarise(database, now=now).experiments)  # as text, in which NaN equals NaN
        database.close()
        return result

    assert shown("later.db", math.inf, look) == shown("then.db", look, look)
    assert shown("later.db", math.inf, look) != shown("later.db", math.inf, look + DAY)


def test_lost_users_forbid_a_comparison(database: Database) -> None:
    shop(database, {"old": BAD, "new": GOOD}, users=3000, lost=0.2)
    set_back(database)
    (found,) = summarise(database).experiments
    assert found.sample_ratio is not None
    assert found.sample_ratio.mismatch
    assert found.comparisons[0].judgement == "invalid"
    assert found.verdict.startswith("Do not compare")


def test_changed_weights_are_checked_period_by_period(database: Database) -> None:
    for since, weights in ((NOW, {"old": 9, "new": 1}), (NOW + 1000, {"old": 1, "new": 1})):
        set_weights(database, "e", weights)
        set_weights(database, "e", weights)  # in force already
        from sqlalchemy import update

        from shoptalk.online.tables import EXPERIMENTS

        with database.write() as connection:
            connection.execute(update(EXPERIMENTS).where(EXPERIMENTS.c.since > NOW + 10_000).values(since=since))
    generator = np.random.default_rng(1)
    answers = []
    for number in range(2000):
        share = 0.1 if number < 1000 else 0.5
        arm = "new" if generator.random() < share else "old"
        answers.append(Recommendation(f"r{number}", f"u{number}", (), "e", arm, created=NOW + number))
    log_recommendations(database, answers)
    (found,) = summarise(database, now=NOW + 10 * DAY).experiments
    assert found.sample_ratio is not None
    assert found.sample_ratio.p > 0.1
    assert [arm.arm for arm in found.arms] == ["old", "new"]
    assert any("changed 1 times" in warning for warning in found.warnings)


def test_nothing_recorded(database: Database) -> None:
    with pytest.raises(DatabaseError, match="no answer was recorded"):
        summarise(database)
    answer(database, "r", "u", "one", NOW)
    with pytest.raises(DatabaseError, match="no answers of an experiment 'x'"):
        summarise(database, experiment="x")
    (found,) = summarise(database, now=NOW + 5).experiments
    assert math.isnan(found.arms[0].rates["click"].value)
    assert "one arm" in found.verdict


def test_the_command(database: Database, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    shop(database, {"old": BAD, "new": GOOD}, users=2500)
    set_back(database)
    target = url.removeprefix("sqlite:///")
    assert run("online", target, "--json", "--window", "12h", "--metric", "click") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["window"] == 12 * 3600
    assert printed["experiments"][0]["comparisons"][0]["judgement"] in ("better", "undecided")
    assert run("online", target) == 0
    shown = capsys.readouterr().out
    for words in ("old", "new", "sample ratio", "off-policy estimates"):
        assert words in shown
    for wrong in (["--window", "soon"], ["--margin", "2"], ["--experiment", "x"]):
        assert run("online", target, *wrong) == 2
        assert "Traceback" not in capsys.readouterr().err


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return int(stop.value.code or 0)
