"""Events are stored once, all or none, and what is stored about a person can be seen and erased."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from starlette.testclient import TestClient

from shoptalk.online.events import count_events
from tests.serve.conftest import Start, post_event, recommend, service


def event(number: int, user: str = "u", **more: object) -> dict[str, object]:
    """An event as JSON."""
    return {"event_id": f"{user}-{number}", "user": user, "item_id": f"i{number}", "kind": "click", **more}


def test_events_are_stored_once(shop: TestClient) -> None:
    many = {"events": [event(number, "once") for number in range(5)]}
    assert shop.post("/v1/events", json=many).json() == {"stored": 5, "duplicates": 0}
    many["events"].append(event(9, "once"))
    assert shop.post("/v1/events", json=many).json() == {"stored": 1, "duplicates": 5}
    twice = {"events": [event(1, "twice"), event(1, "twice")]}
    assert shop.post("/v1/events", json=twice).json() == {"stored": 1, "duplicates": 1}


def test_all_or_none(shop: TestClient) -> None:
    bad = {"events": [event(1, "none"), event(2, "none", timestamp="soon")]}
    answer = shop.post("/v1/events", json=bad)
    assert answer.status_code == 422
    assert shop.get("/v1/users/none").json()["events"] == []


def test_many_at_once_are_counted_apart(served_run: Path, start: Start) -> None:
    client = start(served_run)

    def send(sender: int) -> dict[str, int]:
        events = [event(number, "shared") for number in range(10)] + [event(n, f"own{sender}") for n in range(3)]
        answer = client.post("/v1/events", json={"events": events})
        assert answer.status_code == 200, answer.text
        found: dict[str, int] = answer.json()
        return found

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(24)))
    assert sum(answer["stored"] for answer in answers) == 10 + 24 * 3 == count_events(service(client).database)
    assert all(answer["stored"] + answer["duplicates"] == 13 for answer in answers)


def test_what_is_stored_about_a_person_and_its_erasure(served_run: Path, start: Start) -> None:
    client = start(served_run)
    user = str(service(client).state.arms[0].dataset.rows.users[0])
    item = service(client).state.arms[0].items[0]
    post_event(client, "1", user, item)
    recommend(client, user=user, k=2)
    stored = client.get(f"/v1/users/{user}").json()
    assert [one["event_id"] for one in stored["events"]] == ["1"]
    assert len(stored["recommendations"]) == 1
    assert len(stored["in_dataset"]) > 1
    before = recommend(client, user=user, k=2)["history_length"]
    erased = client.delete(f"/v1/users/{user}").json()
    assert erased == {"events": 1, "recommendations": 2, "in_dataset": True}
    left = client.get(f"/v1/users/{user}").json()
    assert (left["events"], left["recommendations"]) == ([], [])
    assert recommend(client, user=user, k=2)["history_length"] <= before
    nobody = client.delete("/v1/users/nobody").json()
    assert nobody == {"events": 0, "recommendations": 0, "in_dataset": False}
