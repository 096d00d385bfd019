"""The page without a browser: its files, its visitors, simple methods, and the figures of the dashboard."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from shoptalk.online.database import open_database
from shoptalk.online.keys import create_key
from shoptalk.serve.routes.page import FILES
from shoptalk.serve.visitors import COOKIE, Visitors
from tests.serve.conftest import Start, post_event, recommend, service


def make_key(tmp_path: Path) -> str:
    """A key in the database that `start` uses."""
    database = open_database(tmp_path / "shop.db")
    _, key = create_key(database, "test", ("admin",))
    database.close()
    return key


def visit(client: TestClient) -> Any:
    """The shop as a visitor's browser gets it; the client keeps the cookie."""
    answer = client.get("/page/shop")
    assert answer.status_code == 200, answer.text
    return answer.json()


def beside(client: TestClient, **body: Any) -> Any:
    """The answer of a simple method, once it is learned."""
    for _ in range(300):
        answer = client.post("/page/beside", json={"arm": client.get("/page/shop").json()["arms"][0]["name"], **body})
        if answer.status_code != 202:
            break
        time.sleep(0.1)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("path", ["/", "/admin"])
def test_nothing_is_inline_and_everything_is_here(shop: TestClient, path: str) -> None:
    answer = shop.get(path)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|style=|\son[a-z]+=|<script(?![^>]* src=\"/static/)", answer.text)
    loaded = re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text)
    assert loaded
    assert all(shop.get(file).status_code == 200 for file in loaded)


def test_scripts_put_no_data_into_markup_and_load_nothing_from_elsewhere() -> None:
    for name, (content, _, _) in FILES.items():
        text = content.decode()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            name
        )
        assert set(re.findall(r"https?://[^\"' )]+", text)) <= {"http://www.w3.org/2000/svg"}, name


@pytest.mark.parametrize("name", ["..%2fpage.py", "%2e%2e/page.py", "shop.js%00", "none.js", "__init__.py"])
def test_only_the_page_is_served(shop: TestClient, name: str) -> None:
    assert shop.get(f"/static/{name}").status_code == 404


def test_files_are_not_sent_again(shop: TestClient) -> None:
    tag = shop.get("/static/shop.js").headers["etag"]
    assert shop.get("/static/shop.js", headers={"If-None-Match": tag}).status_code == 304


def test_without_the_page(start: Start, served_run: Path) -> None:
    client = start(served_run, page=False)
    assert {client.get(path).status_code for path in ("/", "/admin", "/static/shop.js", "/page/shop")} == {404}


def test_the_shop_and_a_visitor(shop: TestClient) -> None:
    first = visit(shop)
    assert visit(shop)["visitor"] == first["visitor"]  # the cookie
    assert first["items"] >= 30
    assert first["test_users"] > 0
    assert first["best_method"] in [method["name"] for method in first["methods"]]
    item = recommend(shop, user=first["visitor"])["items"][0]["item_id"]
    for kind in ("purchase", "click"):
        post_event(shop, f"{first['visitor']}-{kind}", first["visitor"], item, kind)
    assert [(one["item_id"], one["how"]) for one in visit(shop)["history"]] == [(item, "purchase")]
    assert shop.post("/page/visitor").json()["visitor"] != first["visitor"]


def test_a_test_user_has_the_history_before_the_held_out_purchase(shop: TestClient) -> None:
    visit(shop)
    case = service(shop).state.arms[0].dataset.split("last").test[3]
    found = shop.get("/page/users/3").json()
    assert [item["item_id"] for item in found["history"]] == list(case.history.items)
    assert [item["item_id"] for item in found["next"]] == list(case.targets)
    listed = shop.get("/page/users?start=3&k=2").json()["users"]
    assert listed[0]["user"] == case.history.user_id
    assert shop.get("/page/users/99999").status_code == 404


def test_a_simple_method_beside_the_model(shop: TestClient) -> None:
    case = service(shop).state.arms[0].dataset.split("last").test[0]
    history, held_out = list(case.history.items), list(case.targets)
    found = beside(shop, method="popularity", history=history, k=5, held_out=[*held_out, "no such product"])
    state = service(shop).state
    counts = dict(zip(state.catalogue.ids, state.popularity.tolist(), strict=True))
    assert len(found["items"]) == 5
    assert {item["item_id"] for item in found["items"]}.isdisjoint(history)
    # The rank of the held-out product is its place in the model's own list of all products.
    full = [item["item_id"] for item in recommend(shop, history=history, k=100)["items"]]
    assert found["ranks"]["model"] == [full.index(held_out[0]) + 1, None]
    assert counts[found["items"][0]["item_id"]] >= counts[found["items"][-1]["item_id"]]
    assert shop.post("/page/beside", json={"method": "none", "arm": "run", "history": []}).status_code == 422


def test_reasons_are_those_of_the_interface(shop: TestClient) -> None:
    history = list(service(shop).state.arms[0].dataset.split("last").test[0].history.items)
    answer = recommend(shop, history=history, k=3, explain=True)
    items = [item["item_id"] for item in answer["items"]]
    found = shop.post("/page/explain", json={"history": history, "items": items, "arm": answer["arm"]}).json()["items"]
    for item in answer["items"]:
        assert found[item["item_id"]]["reason"] == item["reason"]
        own = {one["item_id"]: pytest.approx(one["effect"], abs=1e-5) for one in item["because"]}
        assert {one["item_id"]: one["effect"] for one in found[item["item_id"]]["because"]} == own


def test_beside_keys_a_visitor_may_do_its_own_part_only(start: Start, served_run: Path, tmp_path: Path) -> None:
    make_key(tmp_path)
    client = start(served_run, page=True)
    assert client.post("/v1/recommend", json={"user": "u"}).status_code == 401
    visitor = visit(client)["visitor"]
    event = {"event_id": "1", "user": visitor, "item_id": "x", "kind": "click"}
    assert client.post("/v1/recommend", json={"user": visitor}).status_code == 200
    assert client.post("/v1/events", json=event).status_code == 200
    assert client.post("/v1/recommend", json={"user": "somebody else"}).status_code == 403
    assert client.post("/v1/events", json={**event, "user": "somebody else"}).status_code == 403
    assert client.post("/page/explain", json={"user": "u", "items": ["x"], "arm": "run"}).status_code == 403
    beyond = ["GET /admin/figures", "GET /metrics", "DELETE /v1/items/x", "POST /v1/recommend/batch", "POST /v1/score"]
    for route in (*beyond, f"GET /v1/users/{visitor}"):
        assert client.request(*route.split()).status_code == 401, route
    foreign = client.post("/v1/events", json={**event, "event_id": "2"}, headers={"Origin": "http://elsewhere.test"})
    assert foreign.status_code == 403
    assert client.request("DELETE", "/page/visitor").json()["events"] == 1


def test_beside_keys_the_page_is_off_unless_asked_for(start: Start, served_run: Path, tmp_path: Path) -> None:
    make_key(tmp_path)
    client = start(served_run)
    answer = client.get("/page/shop")
    assert answer.status_code == 403
    assert "--page" in answer.json()["error"]["message"]
    assert client.get("/admin").status_code == 200  # it asks for a key


def test_cookies_are_signed_and_expire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = open_database(tmp_path / "shop.db")
    visitors = Visitors(database)
    visitor, cookie = visitors.issue()
    assert Visitors(database).read(cookie) == visitor  # another process of the same database
    name, expires, signature = cookie.split(".")
    for forged in (f"{name}.{int(expires) + 1}.{signature}", f"page-{'0' * 24}.{expires}.{signature}",
                   f"{name}.{expires}.{'0' * 64}", "", cookie + "0", "é" + cookie):  # fmt: skip
        assert visitors.read(forged) is None
    monkeypatch.setattr(time, "time", lambda: float(expires) + 1)
    assert visitors.read(cookie) is None
    database.close()


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(start: Start, served_run: Path) -> None:
    header = start(served_run).get("/page/shop").headers["set-cookie"]
    assert header.startswith(f"{COOKIE}=page-")
    assert "HttpOnly" in header
    assert "samesite=strict" in header.lower()


def test_figures_need_a_key_and_reports_a_ticket(start: Start, own_run: Path, tmp_path: Path) -> None:
    key = {"Authorization": f"Bearer {make_key(tmp_path)}"}
    (own_run / "report.html").write_text("<title>report</title>")
    client = start(own_run)
    assert client.get("/admin/figures").status_code == 401
    answer = client.post("/v1/recommend", json={"user": "u", "k": 3}, headers=key).json()
    event = {"event_id": "1", "user": "u", "item_id": answer["items"][0]["item_id"], "kind": "click"}
    client.post("/v1/events", json={**event, "recommendation_id": answer["recommendation_id"]}, headers=key)
    figures = client.get("/admin/figures?hours=1", headers=key).json()
    assert sum(one["answers"] for one in figures["answers"]) == figures["times"]["answers"] == 1
    assert sum(one["fallbacks"] for one in figures["answers"]) == 1  # nobody knows this user
    assert sum(figures["events"]["click"]) == 1
    assert figures["drift"]["all"] == {"events": 1, "distance": None, "chance": None, "new_share": None}
    (run,) = [run for run in figures["runs"] if run["arms"]]
    assert client.get(f"/admin/reports/{run['name']}").status_code == 422  # no ticket
    assert client.get(f"/admin/reports/{run['name']}?ticket=1.0").status_code == 404
    report = client.get(f"/admin/reports/{run['name']}?ticket={run['report']}")
    assert report.text == "<title>report</title>"
    assert "sandbox" in report.headers["content-security-policy"]
    assert client.get(f"/admin/reports/%2e%2e?ticket={run['report']}").status_code == 404
