"""Products: added and recommended at once, changed, hidden, deleted, searched."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from shoptalk.schema import Item
from shoptalk.serve.search import SearchIndex
from tests.serve.conftest import Start, ids, post_event, recommend, service


@pytest.mark.parametrize("method", [None, "text_knn", "item_knn"])
def test_a_new_product_is_recommended_at_once_by_its_text(served_run: Path, start: Start, method: str | None) -> None:
    client = start(served_run, method=method)
    arm = service(client).state.arms[0]
    best = ids(recommend(client, history=[arm.items[0]], k=1))[0]
    title = arm.dataset.catalogue[best].title
    added = client.post("/v1/items", json={"items": [{"item_id": "N1", "title": title, "price": 3.5}]})
    assert added.json() == {"stored": 1, "recommendable": 1, "warnings": []}
    found = ids(recommend(client, history=[arm.items[0]], k=10))
    assert "N1" in found
    similar = client.get(f"/v1/items/{best}/similar", params={"k": 1}).json()
    assert ids(similar) == ["N1"]
    assert ids(client.get("/v1/latest", params={"k": 1}).json()) == ["N1"]
    post_event(client, "1", "u", "N1")  # and it counts as a history
    answer = recommend(client, user="u", k=40)
    assert (answer["fallback"], answer["unknown_in_history"]) == (None, 0)
    assert "N1" not in ids(answer)


def test_new_products_are_there_after_a_restart(served_run: Path, start: Start) -> None:
    first = start(served_run)
    assert first.post("/v1/items", json={"items": [{"item_id": "N1", "title": "Copper kettle"}]}).status_code == 200
    again = start(served_run)
    assert again.get("/v1/items/N1").json()["new"] is True
    assert "N1" in service(again).state.arms[0].known


def test_hidden_stock_price_and_deletion(served_run: Path, start: Start) -> None:
    client = start(served_run)
    arm = service(client).state.arms[0]
    history = [arm.items[0]]
    first, second, third, fourth = ids(recommend(client, history=history, k=4))
    assert client.patch(f"/v1/items/{first}", json={"hidden": True}).json()["hidden"] is True
    assert first not in ids(recommend(client, history=history, k=40))
    assert first in ids(recommend(client, history=history, k=40, filters={"include_hidden": True}))
    assert client.patch(f"/v1/items/{second}", json={"stock": 0}).json()["stock"] == 0
    assert second not in ids(recommend(client, history=history, k=40, filters={"in_stock": True}))
    assert second in ids(recommend(client, history=history, k=40))
    assert client.patch(f"/v1/items/{third}", json={"price": 12345}).json()["price"] == 12345
    assert ids(recommend(client, history=history, k=40, filters={"min_price": 12345})) == [third]
    assert client.delete(f"/v1/items/{fourth}").status_code == 204
    assert fourth not in ids(recommend(client, history=history, k=40))
    assert fourth not in ids(recommend(client, history=history, k=40, filters={"include_hidden": True}))
    assert client.get(f"/v1/items/{fourth}").status_code == 404
    assert client.patch(f"/v1/items/{fourth}", json={"stock": 1}).status_code == 404
    client.patch(f"/v1/items/{first}", json={"hidden": False})
    assert first in ids(recommend(client, history=history, k=40))


def test_several_changes_in_any_order(served_run: Path, start: Start) -> None:
    client = start(served_run)
    for number in range(4):
        body = {"items": [{"item_id": f"N{number}", "title": f"Walnut kettle {number}"}]}
        assert client.post("/v1/items", json=body).json()["recommendable"] == 1
        if number == 2:
            client.delete("/v1/items/N1")
    known = service(client).state.arms[0].known
    assert known.issuperset({"N0", "N2", "N3"})
    found = ids(client.get("/v1/items", params={"q": "walnut kettle"}).json())
    assert {"N0", "N2", "N3"} == set(found[:3])
    assert "N1" not in found
    client.post("/v1/items", json={"items": [{"item_id": "N1", "title": "Walnut teapot"}]})
    assert ids(client.get("/v1/items", params={"q": "walnut teapot"}).json())[0] == "N1"
    assert "N1" in ids(recommend(client, history=["N0"], k=100))


def test_a_changed_title_is_searched_and_shown(served_run: Path, start: Start) -> None:
    client = start(served_run)
    item = service(client).state.arms[0].items[3]
    client.patch(f"/v1/items/{item}", json={"title": "Zebra crossing"})
    assert ids(client.get("/v1/items", params={"q": "zebra"}).json()) == [item]
    listed = recommend(client, history=[service(client).state.arms[0].items[0]], k=40)["items"]
    assert {one["item_id"]: one["title"] for one in listed}[item] == "Zebra crossing"


def test_search(shop: TestClient) -> None:
    state = service(shop).state
    item = next(iter(state.catalogue.items.values()))
    whole = shop.get("/v1/items", params={"q": item.title}).json()
    assert whole["items"][0]["item_id"] == item.item_id
    everything = shop.get("/v1/items", params={"k": 100}).json()
    assert len(everything["items"]) == everything["total"] == 40
    assert shop.get("/v1/items", params={"q": "!?"}).json()["items"] == []


@pytest.mark.parametrize(
    ("query", "best"),
    [("kettle", 0), ("kett", 0), ("ketle", 0), ("KETTLE copper", 0), ("creme", 2), ("crème brulee", 2), ("cup red", 1)],
)
def test_words_beginnings_errors_and_accents(query: str, best: int) -> None:
    index = SearchIndex(
        [Item("a", "Copper kettle"), Item("b", "Red copper cup"), Item("c", "Crème brûlée"), Item("d", "Red shoes")]
    )
    scores, matched = index.search(query, 4)
    assert int((matched * 100 + scores).argmax()) == best


def test_live_popularity(served_run: Path, start: Start, monkeypatch: Any) -> None:
    monkeypatch.setattr("shoptalk.serve.upkeep.COUNT_EVERY", 0.0)
    client = start(served_run)
    popular = client.get("/v1/popular", params={"k": 40}).json()["items"]
    last = popular[-1]["item_id"]
    assert client.get("/v1/popular", params={"days": 1}).json()["items"] == []
    for number in range(60):
        post_event(client, str(number), f"u{number}", last)
    client.post("/v1/admin/reload")
    assert ids(client.get("/v1/popular", params={"k": 1}).json()) == [last]
    assert [i["score"] for i in client.get("/v1/popular", params={"days": 1}).json()["items"]] == [60]


def test_refused_products(shop: TestClient) -> None:
    for item in ({"item_id": "x"}, {"item_id": "x", "title": "  "}, {"item_id": "x", "title": "a", "price": -1},
                 {"item_id": "x", "title": "a", "prize": 1}, {"item_id": "", "title": "a"}):  # fmt: skip
        assert shop.post("/v1/items", json={"items": [item]}).status_code == 422
    twice = {"items": [{"item_id": "x", "title": "a"}, {"item_id": "x", "title": "b"}]}
    assert shop.post("/v1/items", json=twice).status_code == 422
    assert shop.patch("/v1/items/nothing", json={"stock": 1}).status_code == 404
    assert shop.get("/v1/items/nothing/similar").status_code == 404
