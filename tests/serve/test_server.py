"""The service as real processes: starting, stopping, signals, workers, slow clients, and the client over HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from shoptalk.serve.client import Client, ServiceError
from shoptalk.serve.schemas import EventBody, FiltersBody, ItemBody, RecommendBody
from shoptalk.serve.server import listen
from tests.serve.processes import Served, serving

#: Refuses to import what a service of item tokens must not need.
WITHOUT_TRAINING = """
import importlib.abc, sys
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "peft") or name.startswith("shoptalk.training"):
            raise ImportError(name + " is not installed")
sys.meta_path.insert(0, Refuse())
"""


def test_the_socket_of_the_workers_sends_at_once() -> None:
    with listen(uvicorn.Config("", port=0, log_config=None)) as listener:
        listener.listen()
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        with client, accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.fixture(scope="module")
def served(served_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One process without the libraries of training."""
    with serving(tmp_path_factory.mktemp("one"), served_run, prelude=WITHOUT_TRAINING) as found:
        yield found


def catalogue(client: Client) -> list[str]:
    """Ids of products."""
    return [item.item_id for item in client.popular(k=10).items]


def test_everything_through_the_client(served: Served) -> None:
    with Client(served.url) as client:
        assert client.ready()
        first, second, *_ = catalogue(client)
        answer = client.recommend(history=[first], k=3, explain=True)
        assert (answer.method, len(answer.items)) == ("model", 3)
        assert answer.items[0].because[0].item_id == first
        assert client.event("u", second, "click", recommendation_id=answer.recommendation_id).stored == 1
        assert client.recommend("u", k=2).history_length == 1
        cheap = client.recommend("u", k=40, filters=FiltersBody(max_price=20))
        assert all(item.price is not None and item.price <= 20 for item in cheap.items)
        batch = client.recommend_batch([RecommendBody(user="u", k=1), RecommendBody(user="v", k=1)])
        assert len(batch.answers) == 2
        assert client.score([first, second], "u").items[0].score >= client.score([first, second], "u").items[1].score
        title = client.item(first).title
        assert client.put_items([ItemBody(item_id="a/b c", title=title)]).recommendable == 1
        assert client.similar(first, k=1).items[0].item_id == "a/b c"
        assert client.latest(k=1).items[0].item_id == "a/b c"
        assert client.patch_item("a/b c", stock=0, price=3.5).price == 3.5
        assert client.search(title).items[0].item_id in {first, "a/b c"}
        client.delete_item("a/b c")
        with pytest.raises(ServiceError, match="no such product") as gone:
            client.item("a/b c")
        assert (gone.value.status, gone.value.kind) == (404, "not_found")
        events = [EventBody(event_id=f"b{n}", user="w", item_id=first, kind="purchase") for n in range(3)]
        assert client.events(events).stored == 3
        assert len(client.user("w").events) == 3
        assert client.erase("w").events == 3
        assert client.status().arms[0].method == "model"
        assert client.reload().refused == {}
    with Client("http://127.0.0.1:9") as nobody:
        assert not nobody.ready()
        with pytest.raises(ServiceError, match="does not answer"):
            nobody.recommend("u")


def test_logs_are_json_without_personal_data(served: Served) -> None:
    with Client(served.url) as client:
        client.recommend("secret-person", k=1)
        client.user("secret-person")
        client.search("secret-words")
    time.sleep(0.2)
    lines = [line for line in served.lines.splitlines() if line.startswith("{")]
    entries = [json.loads(line) for line in lines]
    requests = [entry for entry in entries if entry["message"] == "request"]
    assert {"/v1/recommend", "/v1/users/{user_id:path}"} <= {entry["route"] for entry in requests}
    assert all(entry["request_id"] for entry in requests)
    assert "secret" not in served.lines
    assert len(lines) >= len(served.lines.splitlines()) - 1  # the first line is for the person who started it


def test_slow_clients_are_cut_off(served_run: Path, tmp_path: Path) -> None:
    prelude = (
        "import shoptalk.serve.protocol as p; p.TimedProtocol.seconds = 0.5\n"
        "import shoptalk.serve.settings as s, dataclasses\n"
        "init = s.Limits.__init__\n"
        "s.Limits.__init__ = lambda self, **more: init(self, **{**more, 'body_seconds': 0.5})"
    )
    with serving(tmp_path, served_run, "--method", "popularity", prelude=prelude) as served:
        port = int(served.url.rpartition(":")[2])
        head = b"POST /v1/recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        silent, slow_head, slow_body = (socket.create_connection(("127.0.0.1", port), 10) for _ in range(3))
        begin = time.monotonic()
        slow_head.sendall(head)
        slow_body.sendall(head + b"Content-Length: 100\r\n\r\n{")
        assert silent.recv(100) == b""
        assert slow_head.recv(100) == b""
        assert b" 408 " in slow_body.recv(1000)
        assert time.monotonic() - begin < 8
        kept = socket.create_connection(("127.0.0.1", port), 10)
        for _ in range(3):  # a connection that is used goes on
            kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):  # head and body may come apart
                piece = kept.recv(5000)
                assert piece
                answer += piece
            assert b" 200 " in answer
            time.sleep(0.3)
        for connection in (silent, slow_head, slow_body, kept):
            connection.close()


def test_a_stop_answers_what_was_asked_and_stores_what_was_shown(served_run: Path, tmp_path: Path) -> None:
    from shoptalk.online.database import open_database
    from shoptalk.online.events import count_events, stored_about

    answers: list[int] = []
    with serving(tmp_path, served_run) as served:
        with Client(served.url) as client:
            item = catalogue(client)[0]
        ready = threading.Event()

        def ask(number: int) -> None:
            with httpx.Client(base_url=served.url) as http:
                for count in range(200):
                    try:
                        sent = {"event_id": f"{number}-{count}", "user": "u", "item_id": item, "kind": "click"}
                        stored = http.post("/v1/events", json=sent)
                        answer = http.post("/v1/recommend", json={"user": f"v{number}", "history": [item], "k": 2})
                    except httpx.HTTPError:
                        return
                    if stored.status_code == answer.status_code == 200:
                        answers.append(number)
                        ready.set()

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        assert ready.wait(30)
        time.sleep(0.3)
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(30) in (0, -signal.SIGTERM)
        for thread in threads:
            thread.join()
        lines = served.lines
    assert "Traceback" not in lines
    database = open_database(tmp_path / "shop.db")
    shown = sum(len(stored_about(database, f"v{number}")["recommendations"]) for number in range(4))
    assert 0 < len(answers) <= count_events(database) <= len(answers) + 4
    assert len(answers) <= shown <= len(answers) + 4
    database.close()


@pytest.mark.slow
def test_workers_share_everything_and_are_replaced(served_run: Path, tmp_path: Path) -> None:
    import psutil

    with serving(tmp_path, served_run, "--workers", 2) as served, httpx.Client(base_url=served.url) as http:

        def workers() -> list[Any]:
            found = []
            for child in psutil.Process(served.process.pid).children():
                with suppress(psutil.Error):  # it has just died
                    if "spawn_main" in " ".join(child.cmdline()):
                        found.append(child)
            return found

        def post(path: str, **body: Any) -> Any:
            for _ in range(100):
                try:
                    answer = http.post(path, json=body)
                except httpx.HTTPError:
                    time.sleep(0.05)
                    continue
                assert answer.status_code == 200, answer.text
                return answer.json()
            raise AssertionError("nobody answers")

        item = http.get("/v1/popular", params={"k": 1}).json()["items"][0]
        post("/v1/items", items=[{"item_id": "N1", "title": item["title"]}])
        post("/v1/events", event_id="1", user="u", item_id=item["item_id"], kind="click")
        time.sleep(1.2)
        for _ in range(20):  # whichever worker answers
            with httpx.Client(base_url=served.url) as fresh:
                found = fresh.post("/v1/recommend", json={"user": "u", "k": 40}).json()
                assert found["history_length"] == 1
                assert "N1" in [one["item_id"] for one in found["items"]]
        maps = [Path(f"/proc/{worker.pid}/maps").read_text() for worker in workers()]
        assert len(maps) == 2
        for mapped in maps:
            assert "model.safetensors" in mapped
        assert "shoptalk_requests_total" in http.get("/metrics").text
        victim = workers()[0]
        os.kill(victim.pid, signal.SIGKILL)
        for count in range(60):
            post("/v1/events", event_id=f"k{count}", user="u", item_id=item["item_id"], kind="view")
            time.sleep(0.05)
        end = time.monotonic() + 60
        while time.monotonic() < end and (len(workers()) < 2 or victim.pid in [w.pid for w in workers()]):
            time.sleep(0.2)
        assert len(workers()) == 2
        os.kill(served.process.pid, signal.SIGHUP)
        time.sleep(1)
        assert served.process.poll() is None
        assert post("/v1/recommend", user="u", k=1)["method"] == "model"
        ending = workers()
        served.process.terminate()
        assert served.process.wait(60) in (0, -signal.SIGTERM)
    assert psutil.wait_procs(ending, timeout=15)[1] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["/nowhere"], "not a run"),
        (["RUN", "--host", "0.0.0.0"], "shoptalk keys add"),
        (["RUN", "--rules", "/nowhere.toml"], "cannot be read"),
        (["RUN", "--method", "poplarity"], "did you mean popularity"),
        (["RUN", "--database", "mysql://x/y"], "not supported"),
        (["RUN", "--weights", "1,2"], "2 weights for 1 runs"),
        (["RUN", "--explore", "greedy"], "unknown exploration"),
    ],
)
def test_what_cannot_be_served_is_one_clear_line(
    served_run: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    given = [str(served_run) if argument == "RUN" else argument for argument in arguments]
    database = [] if "--database" in given else ["--database", str(tmp_path / "x.db")]
    command = [sys.executable, "-m", "shoptalk", "serve", *given, *database, "--port", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2, done.stderr[-2000:]
    assert says in done.stderr
    assert "Traceback" not in done.stderr
