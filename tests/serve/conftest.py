"""A small trained run with item tokens, made once, and a service over a copy of it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.progress import silent
from shoptalk.recipe import read_recipe
from shoptalk.serve.app import create_app
from shoptalk.serve.settings import Settings, parse_arms
from shoptalk.stages.train import train
from tests.stages.conftest import SMALL

Start = Callable[..., TestClient]


@pytest.fixture(scope="session")
def served_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a trained run with its dataset inside; tests must not change it."""
    folder = tmp_path_factory.mktemp("serve")
    write_sample(folder, users=80, items=40)
    recipe = read_recipe(folder / "recipe.toml", SMALL)
    prepare(recipe, folder / "dataset")
    train(recipe, open_dataset(folder / "dataset"), folder / "run", silent)
    shutil.move(folder / "dataset", folder / "run" / "dataset")
    return folder / "run"


@pytest.fixture
def own_run(served_run: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    return Path(shutil.copytree(served_run, tmp_path / "own"))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts services in this process, and ends them after the test."""
    with ExitStack() as stack:

        def begin(*runs: Path | str, method: str | None = None, weights: str | None = None, **more: Any) -> TestClient:
            arms = parse_arms([str(run) for run in runs], weights, method)
            values = {"database": str(tmp_path / "shop.db"), "cache": str(tmp_path / "cache"), "poll_seconds": 60.0}
            app = create_app(Settings(arms, **{**values, **more}))
            return stack.enter_context(TestClient(app, base_url="http://localhost", raise_server_exceptions=False))

        yield begin


@pytest.fixture(scope="module")
def shop(served_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service for tests that do not disturb each other."""
    folder = tmp_path_factory.mktemp("shop")
    settings = Settings(
        parse_arms([str(served_run)], None, None), database=str(folder / "shop.db"), cache=str(folder / "cache")
    )
    client = TestClient(create_app(settings), base_url="http://localhost", raise_server_exceptions=False)
    with client:
        yield client


def service(client: TestClient) -> Any:
    """The service behind a client."""
    return client.app.state.service  # type: ignore[attr-defined]


def ids(answer: dict[str, Any]) -> list[str]:
    """The item ids of an answer."""
    return [item["item_id"] for item in answer["items"]]


def recommend(client: TestClient, **body: Any) -> dict[str, Any]:
    """The answer to a request that must succeed."""
    answer = client.post("/v1/recommend", json=body)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def post_event(client: TestClient, event_id: str, user: str, item: str, kind: str = "purchase", **more: Any) -> None:
    """Store an event that must be new."""
    body = {"event_id": event_id, "user": user, "item_id": item, "kind": kind, **more}
    answer = client.post("/v1/events", json=body)
    assert answer.json() == {"stored": 1, "duplicates": 0}, answer.text
