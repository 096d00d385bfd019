"""Several runs at once: assignment, overrides, what is logged, and exploration with its probabilities."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shoptalk.errors import UsageError
from shoptalk.online.events import stored_about
from shoptalk.online.summary import summarise
from shoptalk.serve.settings import Exploration, Settings, parse_arms
from tests.serve.conftest import Start, ids, post_event, recommend, service


def stored(client: Any, user: str) -> list[dict[str, Any]]:
    """The logged answers of a user."""
    for _ in range(50):
        if found := stored_about(service(client).database, user)["recommendations"]:
            return list(found)
        time.sleep(0.1)
    return []


def test_users_keep_their_arm_and_arms_their_share(served_run: Path, start: Start) -> None:
    client = start(served_run, f"{served_run}@popularity", weights="3,1")
    first = {f"u{n}": recommend(client, user=f"u{n}", k=1)["arm"] for n in range(120)}
    again = {user: recommend(client, user=user, k=1)["arm"] for user in list(first)[:40]}
    assert again.items() <= first.items()
    counts = Counter(first.values())
    assert 70 <= counts["run"] <= 110  # 90 expected, standard deviation 4.7
    assert counts["run"] + counts["run@popularity"] == 120


def test_an_override_is_logged_as_forced(served_run: Path, start: Start) -> None:
    client = start(served_run, f"{served_run}@popularity")
    answer = recommend(client, user="tester", k=2, arm="run@popularity")
    assert (answer["arm"], answer["method"], answer["fallback"]) == ("run@popularity", "popularity", None)
    assert [one["forced"] for one in stored(client, "tester")] == [True]
    wrong = client.post("/v1/recommend", json={"user": "u", "arm": "x"})
    assert (wrong.status_code, wrong.json()["error"]["kind"]) == (422, "usage")


def test_the_summary_reads_what_was_served(served_run: Path, start: Start) -> None:
    client = start(served_run, f"{served_run}@popularity", experiment="autumn")
    for number in range(40):
        answer = recommend(client, user=f"u{number}", k=3)
        if answer["arm"] == "run":
            post_event(
                client, f"e{number}", f"u{number}", ids(answer)[0], "click",
                recommendation_id=answer["recommendation_id"],
            )  # fmt: skip
    client.get("/v1/users/u0")  # writes what is queued
    time.sleep(2.1)  # the window of every user is over
    (found,) = summarise(service(client).database, experiment="autumn", metric="click", window=2.0).experiments
    rates = {arm.arm: arm.rates["click"].value for arm in found.arms}
    assert rates == {"run": 1.0, "run@popularity": 0.0}


@pytest.mark.parametrize("method", ["epsilon", "plackett_luce", "thompson"])
def test_exploration_draws_the_end_of_a_list_and_logs_the_probabilities(
    served_run: Path, start: Start, method: Any
) -> None:
    plain = start(served_run, database=str(served_run.parent / f"{method}.db"))
    history = [service(plain).state.arms[0].items[0]]
    expected = ids(recommend(plain, history=history, k=6))
    client = start(served_run, exploration=Exploration(method, places=2, share=1.0, temperature=50.0))
    lists = []
    for _ in range(30):
        answer = recommend(client, user="explorer", history=history, k=6)
        lists.append(tuple(ids(answer)))
        assert [item["probability"] for item in answer["items"][:4]] == [1.0] * 4
        assert all(0 < item["probability"] < 0.6 for item in answer["items"][4:])
    assert {one[:4] for one in lists} == {tuple(expected[:4])}
    assert len({one[4:] for one in lists}) > 10
    client.get("/v1/users/explorer")
    logged = stored(client, "explorer")
    assert len(logged) == 30
    assert all(0 < one["probability"] < 0.1 for one in logged)
    paged = recommend(client, history=history, k=2, offset=2)
    assert ids(paged) == expected[2:4]


def test_arms_of_a_command_line(served_run: Path) -> None:
    arms = parse_arms([str(served_run), f"{served_run}@item_knn"], "9,1", None)
    assert [(arm.name, arm.method, arm.weight) for arm in arms] == [("run", None, 9.0), ("run@item_knn", "item_knn", 1)]
    with pytest.raises(UsageError, match="1 weights for 2 runs"):
        parse_arms(["a", "b"], "1", None)
    with pytest.raises(UsageError, match="no numbers"):
        parse_arms(["a", "b"], "1,x", None)
    with pytest.raises(UsageError, match="the same name"):
        Settings(parse_arms(["a", "x/a"], None, None))


def test_settings_reach_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(parse_arms(["a", "b@popularity"], None, None), exploration=Exploration("epsilon"), port=1)
    monkeypatch.setenv("SHOPTALK_SERVE", "")
    settings.to_environment()
    assert Settings.from_environment() == settings
