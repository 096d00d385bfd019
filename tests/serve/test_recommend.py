"""Recommendations over HTTP: whom, what, by which method, and under which conditions."""

import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from shoptalk.online.events import stored_about
from shoptalk.runs import open_run
from shoptalk.schema import History
from shoptalk.stages.trained_run import open_trained_run
from tests.serve.conftest import Start, ids, post_event, recommend, service


def test_a_user_of_the_dataset_gets_the_list_of_the_model(shop: TestClient, served_run: Path) -> None:
    trained = open_trained_run(open_run(served_run), single=True)
    user = str(trained.dataset.rows.users[3])
    (expected,) = trained.recommender.rank([trained.dataset.history(user)], 5)
    answer = recommend(shop, user=user, k=5)
    assert ids(answer) == list(expected.items)
    assert [item["score"] for item in answer["items"]] == pytest.approx(expected.scores, abs=1e-4)
    assert (answer["method"], answer["fallback"], answer["unit"]) == ("model", None, "logit")
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3, 4, 5]
    assert ids(recommend(shop, user=user, k=3, offset=2)) == list(expected.items)[2:]


def test_a_new_user_gets_popular_products_then_what_follows_from_events(shop: TestClient) -> None:
    first = recommend(shop, user="new", k=5)
    assert (first["method"], first["fallback"], first["history_length"]) == ("popularity", "no_history", 0)
    popular = shop.get("/v1/popular", params={"k": 5}).json()
    assert ids(first) == ids(popular)
    clicked = service(shop).state.arms[0].items[7]
    post_event(shop, "new-1", "new", clicked, "click")
    second = recommend(shop, user="new", k=5)
    assert (second["method"], second["fallback"], second["history_length"]) == ("model", None, 1)
    assert ids(second) != ids(first)
    assert ids(second) == ids(recommend(shop, history=[clicked], k=5, exclude_history=False))


def test_a_known_users_history_is_live(shop: TestClient) -> None:
    user = str(service(shop).state.arms[0].dataset.rows.users[5])
    before = recommend(shop, user=user, k=40)
    bought = ids(before)[0]
    post_event(shop, "live-1", user, bought)
    after = recommend(shop, user=user, k=40)
    assert bought not in ids(after)
    assert after["history_length"] == before["history_length"] + 1
    assert bought in ids(recommend(shop, user=user, k=40, exclude_history=False))


def test_unknown_items_of_a_history_are_counted(shop: TestClient) -> None:
    known = service(shop).state.arms[0].items[0]
    answer = recommend(shop, history=["nothing", known], k=2)
    assert (answer["method"], answer["unknown_in_history"]) == ("model", 1)
    assert recommend(shop, history=["nothing"], k=2)["fallback"] == "no_history"


def test_filters(shop: TestClient) -> None:
    state = service(shop).state
    items = state.arms[0].items
    history = [items[0]]
    allowed = recommend(shop, history=history, k=40, filters={"allow": list(items[3:6]), "deny": [items[4]]})
    assert sorted(ids(allowed)) == sorted([items[3], items[5]])
    assert allowed["warnings"] == ["only 2 of 40: no more may be recommended"]
    cheap = recommend(shop, history=history, k=40, filters={"max_price": 20})
    assert 0 < len(cheap["items"]) < 39
    assert all(item["price"] <= 20 for item in cheap["items"])
    category = next(iter(state.catalogue.categories.members))
    named = recommend(shop, history=history, k=40, filters={"categories": [category.upper()]})
    assert all(category in [c.casefold() for c in state.catalogue.items[i].categories] for i in ids(named))
    wrong = shop.post("/v1/recommend", json={"history": history, "filters": {"categories": [category + "x"]}})
    assert wrong.status_code == 422
    assert category in wrong.json()["error"]["hint"]


def test_explanations_are_differences_of_scores(shop: TestClient, served_run: Path) -> None:
    trained = open_trained_run(open_run(served_run), single=True)
    user = str(trained.dataset.rows.users[2])
    answer = recommend(shop, user=user, k=3, explain=True)
    history = trained.dataset.history(user)
    expected = trained.recommender.explain(history, ids(answer))
    for item, reasons in zip(answer["items"], expected, strict=True):
        assert [because["item_id"] for because in item["because"]] == [reason.item_id for reason in reasons]
        assert [because["effect"] for because in item["because"]] == pytest.approx(
            [reason.effect for reason in reasons], abs=1e-3
        )
    assert [entry["item_id"] for entry in answer["history"]] == list(history.items)


def test_a_batch_keeps_the_order_and_its_errors(shop: TestClient) -> None:
    items = service(shop).state.arms[0].items
    requests = [{"history": [item], "k": 2} for item in items[:4]]
    answer = shop.post("/v1/recommend/batch", json={"requests": [*requests, {"user": "x", "arm": "nobody"}]}).json()
    for given, single in zip(answer["answers"][:4], requests, strict=True):
        assert ids(given) == ids(recommend(shop, **single))
    assert answer["answers"][4]["error"]["kind"] == "usage"


def test_scores_of_options(shop: TestClient, served_run: Path) -> None:
    trained = open_trained_run(open_run(served_run), single=True)
    items = list(trained.recommender.items)
    scores = trained.recommender.score_all([History("", (items[0],))])[0]
    answer = shop.post("/v1/score", json={"history": [items[0]], "options": items[1:5]}).json()
    assert ids(answer) == sorted(items[1:5], key=lambda item: -scores[items.index(item)])
    unknown = shop.post("/v1/score", json={"history": [items[0]], "options": ["nothing"]})
    assert unknown.status_code == 422


def test_what_was_shown_is_stored(shop: TestClient) -> None:
    answer = recommend(shop, user="shown", k=3, context={"page": "basket"})
    found: list[dict[str, Any]] = []
    for _ in range(50):
        found = stored_about(service(shop).database, "shown")["recommendations"]
        if found:
            break
        time.sleep(0.1)
    (stored,) = found
    assert stored["recommendation_id"] == answer["recommendation_id"]
    assert [row["item_id"] for row in stored["shown"]] == ids(answer)
    assert [row["probability"] for row in stored["shown"]] == [1.0] * 3
    assert (stored["arm"], stored["method"], stored["fallback"]) == ("run", "popularity", True)
    assert stored["context"] == {"page": "basket"}


@pytest.mark.parametrize("method", ["popularity", "item_knn", "text_knn", "transitions", "tfidf", "repeat_last"])
def test_every_simple_method_answers_alone(served_run: Path, start: Start, method: str) -> None:
    client = start(served_run, method=method)
    arm = service(client).state.arms[0]
    answer = recommend(client, history=[arm.items[0], arm.items[1]], k=4)
    assert (answer["method"], answer["fallback"], answer["arm"]) == (method, None, f"run@{method}")
    assert len(answer["items"]) == 4


def test_the_model_fails_and_popularity_answers(served_run: Path, start: Start, monkeypatch: Any) -> None:
    client = start(served_run)
    arm = service(client).state.arms[0]

    def fail(histories: Any) -> Any:
        raise RuntimeError("no memory")

    monkeypatch.setattr(arm.recommender, "score_all", fail)
    answer = recommend(client, history=[arm.items[0]], k=4)
    assert (answer["method"], answer["fallback"], len(answer["items"])) == ("popularity", "model_error", 4)
    assert 'fallback="model_error"' in client.get("/metrics").text


def test_a_slow_model_is_answered_for(served_run: Path, start: Start, monkeypatch: Any) -> None:
    client = start(served_run, timeout=0.2)
    arm = service(client).state.arms[0]
    score_all = arm.recommender.score_all

    def slowly(histories: Any) -> Any:
        time.sleep(0.6)
        return score_all(histories)

    monkeypatch.setattr(arm.recommender, "score_all", slowly)
    begin = time.perf_counter()
    answer = recommend(client, history=[arm.items[0]], k=4)
    assert time.perf_counter() - begin < 0.55
    assert (answer["method"], answer["fallback"]) == ("popularity", "timed_out")


def test_a_lost_database_does_not_stop_recommendations(served_run: Path, start: Start, monkeypatch: Any) -> None:
    from shoptalk.errors import DatabaseError

    client = start(served_run)

    def fail(*arguments: Any) -> Any:
        raise DatabaseError("gone")

    monkeypatch.setattr("shoptalk.serve.histories.histories", fail)
    monkeypatch.setattr("shoptalk.serve.service.add_events", fail)
    user = str(service(client).state.arms[0].dataset.rows.users[0])
    answer = recommend(client, user=user, k=3)
    assert answer["method"] == "model"
    assert "could not be read" in answer["warnings"][0]
    event = {"event_id": "1", "user": "u", "item_id": "i", "kind": "click"}
    refused = client.post("/v1/events", json=event)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
