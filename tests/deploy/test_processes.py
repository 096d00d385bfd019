"""The steps of the compose file as processes: PostgreSQL, a key, the service, its metrics, a backup and a restore."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.progress import silent
from shoptalk.recipe import read_recipe
from shoptalk.stages.train import train
from tests.online import postgres
from tests.stages.conftest import SMALL

pytestmark = pytest.mark.skipif(postgres.why_not() is not None, reason=str(postgres.why_not()))
COMMAND = [sys.executable, "-m", "shoptalk"]


def ask(address: str, key: str = "", content: dict[str, Any] | None = None) -> tuple[int, str]:
    """Status and body of one request."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    body = None if content is None else json.dumps(content).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=30) as response:
            return response.status, response.read().decode("utf-8")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8")


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a service is ready."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, "the service ended"
        try:
            if ask(address + "/readyz")[0] == 200:
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail("the service was not ready in time")


def test_from_an_empty_database_to_a_restored_one(tmp_path: Path) -> None:
    write_sample(tmp_path / "shop", users=60, items=40)
    recipe = read_recipe(tmp_path / "shop" / "recipe.toml", SMALL)
    prepare(recipe, tmp_path / "dataset")
    train(recipe, open_dataset(tmp_path / "dataset"), tmp_path / "run", silent)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with postgres.server() as server:
        add = [*COMMAND, "keys", "add", server.url, "--name", "prometheus", "--scope", "read", "--scope", "write"]
        added = subprocess.run([*add, "--json"], check=True, capture_output=True, text=True)
        key = json.loads(added.stdout)["key"]
        process = subprocess.Popen(
            [*COMMAND, "serve", str(tmp_path / "run"), f"--port={port}", f"--database={server.url}", "--keys"],
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(address, process)
            assert ask(address + "/metrics")[0] == 401
            status, metrics = ask(address + "/metrics", key)
            assert status == 200
            assert "shoptalk_database_up 1" in metrics
            event = {"event_id": "one", "user": "someone", "item_id": "anything", "kind": "click"}
            assert ask(address + "/v1/events", key, event)[0] in {200, 201, 202}
            dump = tmp_path / "dump"
            backup = [postgres.binaries() / "pg_dump", "--format=custom", f"--file={dump}", f"--host={server.folder}"]
            subprocess.run([*backup, f"--username={postgres.SUPERUSER}", "postgres"], check=True)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) in {0, -signal.SIGTERM}  # uvicorn ends by the signal that it was sent
        server.empty_database()
        restore = [postgres.binaries() / "pg_restore", "--clean", "--if-exists", f"--host={server.folder}"]
        subprocess.run([*restore, f"--username={postgres.SUPERUSER}", "--dbname=postgres", str(dump)], check=True)
        select = [postgres.binaries() / "psql", f"--host={server.folder}", f"--username={postgres.SUPERUSER}", "-At"]
        found = subprocess.run(
            [*select, "-c", "SELECT user_id FROM events", "postgres"], check=True, capture_output=True, text=True
        )
        assert found.stdout.split() == ["someone"]
