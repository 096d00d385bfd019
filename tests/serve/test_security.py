"""Keys, scopes, rates, origins, bodies, headers and errors: what must not get through does not."""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from shoptalk.errors import UsageError
from shoptalk.online.keys import create_key, revoke_key
from shoptalk.serve.buckets import Buckets
from shoptalk.serve.guard import depth
from tests.serve.conftest import Start, recommend, service

RECOMMEND = {"user": "u", "k": 1}
JSON = {"content-type": "application/json"}


def bearer(key: str) -> dict[str, str]:
    """The header of a key."""
    return {"Authorization": f"Bearer {key}"}


def test_scopes_and_revocation(served_run: Path, start: Start, monkeypatch: Any) -> None:
    monkeypatch.setattr("shoptalk.serve.access.REMEMBER", 0.0)
    client = start(served_run, method="popularity")
    assert client.post("/v1/recommend", json=RECOMMEND).status_code == 200  # local, and there is no key yet
    database = service(client).database
    keys = {scope: create_key(database, scope, [scope]) for scope in ("read", "write", "admin")}
    event = {"event_id": "1", "user": "u", "item_id": "i", "kind": "click"}
    table = [
        ("POST", "/v1/recommend", RECOMMEND, {"read", "admin"}),
        ("GET", "/v1/popular", None, {"read", "admin"}),
        ("GET", "/metrics", None, {"read", "admin"}),
        ("POST", "/v1/events", event, {"write", "admin"}),
        ("DELETE", "/v1/items/nothing", None, {"write", "admin"}),
        ("GET", "/v1/users/u", None, {"admin"}),
        ("DELETE", "/v1/users/u", None, {"admin"}),
        ("GET", "/v1/admin/status", None, {"admin"}),
        ("POST", "/v1/admin/reload", None, {"admin"}),
    ]
    for method, path, body, allowed in table:
        assert client.request(method, path, json=body).status_code == 401
        for scope, (_, text) in keys.items():
            answer = client.request(method, path, json=body, headers=bearer(text))
            assert (answer.status_code not in (401, 403)) is (scope in allowed), (method, path, scope)
    _, text = keys["read"]
    assert client.post("/v1/recommend", json=RECOMMEND, headers={"X-API-Key": text}).status_code == 200
    for wrong in (text[:-1], text + "x", "", "st__", "st_x_y", text.replace("st_", "sk_"), "é" * 400, "\x7f"):
        answer = client.post("/v1/recommend", json=RECOMMEND, headers={b"authorization": b"Bearer " + wrong.encode()})
        assert answer.status_code == 401, wrong
        assert answer.headers["www-authenticate"] == "Bearer"
    revoke_key(database, keys["read"][0].key_id)
    assert client.post("/v1/recommend", json=RECOMMEND, headers=bearer(text)).status_code == 401
    for path in ("/healthz", "/readyz", "/openapi.json"):
        assert client.get(path).status_code == 200


def test_rates(served_run: Path, start: Start) -> None:
    client = start(served_run, method="popularity")
    _, limited = create_key(service(client).database, "a", ["read"], 5)
    _, free = create_key(service(client).database, "b", ["read"])
    statuses = [client.get("/v1/popular", headers=bearer(limited)).status_code for _ in range(8)]
    assert statuses == [200] * 5 + [429] * 3
    refused = client.get("/v1/popular", headers=bearer(limited))
    assert 1 <= int(refused.headers["retry-after"]) <= 12
    assert client.get("/v1/popular", headers=bearer(free)).status_code == 200


def test_buckets_are_shared_by_processes_and_fill_again(tmp_path: Path) -> None:
    first, second = Buckets(tmp_path / "rates"), Buckets(tmp_path / "rates")
    assert [bucket.take("key", 120) > 0 for bucket in [first, second] * 60 + [first]] == [False] * 120 + [True]
    time.sleep(0.6)  # a token in half a second
    assert second.take("key", 120) == 0
    assert first.take("other", 1) == 0


def test_guessing_keys_is_slowed_down(served_run: Path, start: Start) -> None:
    client = start(served_run, method="popularity", open_access=False)
    statuses = {client.get("/v1/popular", headers=bearer(f"st_{n:016x}_x")).status_code for n in range(70)}
    assert statuses == {401, 429}


def test_other_machines_need_keys(served_run: Path, start: Start) -> None:
    from shoptalk.online.database import open_database
    from shoptalk.serve.access import Access
    from shoptalk.serve.settings import Settings, parse_arms

    arms = parse_arms([str(served_run)], None, None)
    database = open_database(served_run.parent / "keys.db")
    with pytest.raises(UsageError, match="holds no key"):
        Access(Settings(arms, host="0.0.0.0"), database, Buckets(None)).check_start()
    Access(Settings(arms, host="0.0.0.0", open_access=True), database, Buckets(None)).check_start()
    client = start(served_run, method="popularity", host="0.0.0.0")
    assert client.get("/v1/popular").status_code == 401


def test_other_sites_and_other_names_are_refused(shop: TestClient) -> None:
    assert shop.get("/v1/popular", headers={"host": "evil.example"}).status_code == 421
    assert shop.get("/v1/popular", headers={"host": "localhost.evil.example:80"}).status_code == 421
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert shop.post("/v1/recommend", json=RECOMMEND, headers=headers).status_code == 403
    assert shop.post("/v1/recommend", json=RECOMMEND, headers={"origin": "http://localhost"}).status_code == 200
    preflight = shop.options(
        "/v1/recommend", headers={"origin": "https://evil.example", "access-control-request-method": "POST"}
    )
    assert preflight.status_code == 405
    assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_headers_of_every_answer(shop: TestClient) -> None:
    for answer in (shop.get("/v1/popular"), shop.get("/nothing"), shop.post("/v1/recommend", content=b"{")):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert len(answer.headers["x-request-id"]) == 16
        assert "server" not in answer.headers
    given = shop.get("/nothing", headers={"x-request-id": "abc-1"})
    assert given.headers["x-request-id"] == given.json()["error"]["request_id"] == "abc-1"
    assert shop.get("/nothing", headers={"x-request-id": "a b\n"}).headers["x-request-id"] != "a b\n"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (gzip.compress(b" " * 10_000_000), {"content-encoding": "gzip"}, 415),
        (b"\x28\xb5\x2f\xfd", {"content-encoding": "zstd"}, 415),
        (b"x" * 1_100_000, {}, 413),
        (b"{}", {"content-length": "99999999999999999999"}, 413),
        (b"[" * 100_000, {}, 400),
        (b'{"user": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001, {}, 400),
        (b'{"user": "u", "k": 1', {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"", {}, 422),
        (b"null", {}, 422),
        (b'{"user": "u", "k": 1e400}', {}, 422),
        (b'{"user": "u", "k": ' + b"9" * 5_000 + b"}", {}, 400),
        (b'{"user": "\\ud800"}', {}, 422),
        (b'{"user": "a\\u0000b"}', {}, 422),
        (b'{"user": "u", "filters": {"min_price": NaN}}', {}, 422),
        (b'{"user": "u", "filters": {"min_price": 5, "max_price": 1}}', {}, 422),
        (b'{"user": "u", "k": 101}', {}, 422),
        (b'{"user": "u", "unknown": 1}', {}, 422),
        (b"user=u", {"content-type": "application/x-www-form-urlencoded"}, 415),
        (b'{"user": "u"}', {"content-type": "text/plain"}, 415),
    ],
)
def test_hostile_bodies(shop: TestClient, body: bytes, headers: dict[str, str], status: int) -> None:
    answer = shop.post("/v1/recommend", content=body, headers={**JSON, **headers})
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["kind"]
    assert "Traceback" not in answer.text
    assert len(answer.text) < 2_000


def test_limits_of_lists(shop: TestClient) -> None:
    long = ["x"] * 2_001
    for body in ({"history": long}, {"user": "u", "filters": {"deny": long}}, {"user": "u" * 501}):
        assert shop.post("/v1/recommend", json=body).status_code == 422
    event = {"event_id": "1", "user": "u", "item_id": "i", "kind": "click"}
    assert shop.post("/v1/events", json={"events": [event] * 1_001}).status_code == 422
    many = {"events": [{**event, "event_id": f"limit-{number}"} for number in range(1_000)]}
    assert shop.post("/v1/events", json=many).json() == {"stored": 1_000, "duplicates": 0}
    assert shop.post("/v1/events", json={**event, "context": {"a": {"b": 1}}}).status_code == 422


@pytest.mark.parametrize(
    "path",
    ["/../../etc/passwd", "/..%2f..%2fetc/passwd", "/v1/items/..%2f..%2f..%2fetc%2fpasswd", "/static/../../x", "http://localhost//x",
     "/v1/items/%00", "/v1/users/%0a", "/v1/items/" + "x" * 600, "/v1/items/%ff", "/%ff%fe"],
)  # fmt: skip
def test_paths_lead_nowhere(shop: TestClient, path: str) -> None:
    answer = shop.get(path)
    assert answer.status_code in (400, 404, 422), answer.text
    assert "root:" not in answer.text


def test_titles_of_sellers_stay_text(served_run: Path, start: Start) -> None:
    client = start(served_run)
    title = "</script><img src=x onerror=alert(1)> <|end|><|item_X|> {{7*7}} ${x} '; DROP TABLE items; --"
    added = client.post("/v1/items", json={"items": [{"item_id": "<b>", "title": title, "brand": "=cmd()"}]})
    assert added.json()["recommendable"] == 1
    found = client.get("/v1/items", params={"q": "onerror"})
    assert found.headers["content-type"] == "application/json"
    assert found.json()["items"][0]["title"] == title
    answer = recommend(client, history=["<b>"], k=3, explain=True)
    assert (answer["fallback"], answer["unknown_in_history"]) == (None, 0)


def test_unexpected_errors_are_logged_and_not_sent(
    served_run: Path, start: Start, monkeypatch: Any, caplog: Any
) -> None:
    client = start(served_run, method="popularity")

    def fail(*arguments: Any) -> Any:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("shoptalk.serve.service.Service.assign", fail)
    answer = client.post("/v1/recommend", json=RECOMMEND)
    assert answer.status_code == 500
    assert answer.json()["error"]["kind"] == "bug"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_floods_are_refused_with_a_time_to_try_again(served_run: Path, start: Start, monkeypatch: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    client = start(served_run, queue=2, batch_size=1, timeout=10.0)
    arm = service(client).state.arms[0]
    score_all = arm.recommender.score_all
    monkeypatch.setattr(arm.recommender, "score_all", lambda histories: (time.sleep(0.1), score_all(histories))[1])
    body = {"history": [arm.items[0]], "k": 1}
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/recommend", json=body), range(16)))
    assert {answer.status_code for answer in answers} == {200, 429}
    assert all(int(a.headers["retry-after"]) >= 1 for a in answers if a.status_code == 429)
    assert client.post("/v1/recommend", json=body).status_code == 200


def test_depth_is_that_of_json() -> None:
    assert depth(b'{"a": "[[[[[[[[[[[[[[[[[[[[[[["}') == 1
    nested: Any = 1
    for _ in range(20):
        nested = [nested, ']]}}\\"[[']
    assert depth(json.dumps(nested).encode()) == 20


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(["user", "history", "k", "offset", "filters", "events", "items", "options", "event_id", "kind",
                        "item_id", "title", "price", "stock", "requests", "context", "arm", "timestamp"])  # fmt: skip
PATHS = ["/v1/recommend", "/v1/recommend/batch", "/v1/score", "/v1/events", "/v1/items"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PATHS), body=st.dictionaries(KEYS, VALUES, max_size=5) | VALUES)
def test_fuzzed_json_gets_no_500(shop: TestClient, path: str, body: Any) -> None:
    text = json.dumps(body).encode("utf-8", "surrogatepass")
    assert shop.post(path, content=text, headers=JSON).status_code < 500


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PATHS), body=st.binary(max_size=200))
def test_fuzzed_bytes_get_no_500(shop: TestClient, path: str, body: bytes) -> None:
    assert 400 <= shop.post(path, content=body, headers=JSON).status_code < 500
