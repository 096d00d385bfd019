"""New runs are taken up while serving; broken ones are refused and the old one serves on."""

import json
import shutil
import struct
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from shoptalk.errors import ModelError
from shoptalk.models.mapped import map_tensors
from shoptalk.serve.arms import load_arm
from shoptalk.serve.settings import ArmSettings
from shoptalk.serve.snapshot import signature
from tests.serve.conftest import Start, ids, recommend, service


def other_run(run: Path, folder: Path) -> Path:
    """A copy of a run in which popular and unpopular items change places."""
    copy = Path(shutil.copytree(run, folder))
    path = copy / "model" / "items.safetensors"
    tensors = load_file(path)
    tensors["bias"] = np.linspace(0, 50, len(tensors["bias"]), dtype=np.float32)
    tensors["has_interactions"] = np.ones_like(tensors["has_interactions"])
    save_file(tensors, path)
    return copy


def replace(run: Path, new: Path) -> None:
    """Put a run in the place of another, as a refresh does."""
    run.rename(run.with_name("previous"))
    new.rename(run)


def test_a_new_run_is_taken_up_without_dropping_a_request(own_run: Path, start: Start, tmp_path: Path) -> None:
    new = other_run(own_run, tmp_path / "new")
    client = start(own_run, poll_seconds=0.05)
    items = service(client).state.arms[0].items
    client.post("/v1/items", json={"items": [{"item_id": "N1", "title": "Copper kettle"}]})
    before = ids(recommend(client, history=[items[0]], k=40))
    lists: list[tuple[str, ...]] = []
    failures: list[Any] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answer = client.post("/v1/recommend", json={"history": [items[0]], "k": 40})
            if answer.status_code != 200 or answer.json()["fallback"] is not None:
                failures.append(answer.text)
            lists.append(tuple(ids(answer.json())))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    replace(own_run, new)
    for _ in range(200):
        if len(set(lists)) > 1:
            break
        time.sleep(0.05)
    time.sleep(0.2)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(set(lists)) == 2  # the old list and the new one, nothing between
    assert lists[0] == tuple(before)
    assert "N1" in lists[-1]  # products that were added stay


@pytest.mark.parametrize("damage", ["cut", "nan", "header", "tokenizer", "recipe", "other_items"])
def test_a_broken_run_is_refused(own_run: Path, start: Start, damage: str) -> None:
    client = start(own_run)
    items = service(client).state.arms[0].items
    before = recommend(client, history=[items[0]], k=5)["items"]
    weights = own_run / "model" / "model.safetensors"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "nan":
        tensors = load_file(weights)
        first = next(iter(tensors))
        tensors[first][...] = np.nan
        save_file(tensors, weights)
    elif damage == "header":
        weights.write_bytes(struct.pack("<Q", 1 << 62) + weights.read_bytes()[8:])
    elif damage == "tokenizer":
        (own_run / "model" / "tokenizer.json").write_text("{")
    elif damage == "recipe":
        (own_run / "recipe.toml").write_text("[")
    else:
        card = own_run / "model" / "shoptalk.json"
        content = json.loads(card.read_text())
        content["items"]["count"] -= 1
        card.write_text(json.dumps(content))
    status = client.post("/v1/admin/reload").json()
    assert status["arms"][0]["refused"], status
    assert "Traceback" not in json.dumps(status)
    assert recommend(client, history=[items[0]], k=5)["items"] == before
    assert recommend(client, history=[items[1]], k=5)["fallback"] is None
    assert 'shoptalk_reloads_total{result="refused",what="run"} 1.0' in client.get("/metrics").text


def test_files_written_in_place_do_not_reach_the_running_service(own_run: Path, start: Start) -> None:
    client = start(own_run)
    items = service(client).state.arms[0].items
    before = recommend(client, history=[items[0]], k=5)["items"]
    for path in (own_run / "model").glob("*.safetensors"):
        with path.open("r+b") as file:
            file.truncate(1)
    assert recommend(client, history=[items[0]], k=5)["items"] == before


def test_a_folder_that_is_gone_for_a_moment_changes_nothing(own_run: Path, start: Start) -> None:
    client = start(own_run)
    own_run.rename(own_run.with_name("away"))
    assert client.post("/v1/admin/reload").json()["refused"] == {}
    assert recommend(client, history=[service(client).state.arms[0].items[0]], k=2)["fallback"] is None
    own_run.with_name("away").rename(own_run)


def test_a_broken_run_stops_the_start(own_run: Path, start: Start) -> None:
    (own_run / "model" / "items.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError, match="damaged"):
        start(own_run)


def test_weights_are_mapped_from_one_copy(own_run: Path, tmp_path: Path) -> None:
    settings = ArmSettings(str(own_run))
    first, second = load_arm(settings, tmp_path / "cache"), load_arm(settings, tmp_path / "cache")
    assert first.trained.run.folder == second.trained.run.folder != own_run
    weights = first.recommender.model.network.weights["model.norm.weight"]
    assert not weights.flags.owndata
    assert not weights.flags.writeable
    assert len([path for path in (tmp_path / "cache").iterdir() if path.is_dir()]) == 1


def test_signature(own_run: Path) -> None:
    first = signature(own_run)
    assert first == signature(own_run)
    (own_run / "model" / "shoptalk.json").touch()
    assert signature(own_run) != first
    (own_run / "run.json").unlink()
    assert signature(own_run) is None


HEADERS = [
    {"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}},
    {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 8]}},
    {"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}},
    {"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}},
    {"a": {"dtype": "F9", "shape": [2], "data_offsets": [0, 8]}},
    {"a": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}},
    {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "b": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}},  # noqa: E501
]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS)
def test_lying_headers_are_errors(tmp_path: Path, header: dict[str, Any]) -> None:
    from safetensors import SafetensorError

    text = json.dumps(header).encode()
    (tmp_path / "x").write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 8)
    with pytest.raises((SafetensorError, ValueError, KeyError)):
        map_tensors(tmp_path / "x")


def test_mapped_tensors_are_those_of_the_file(tmp_path: Path) -> None:
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros((0, 3), np.int64), "c": np.array(2.5)}
    save_file(tensors, tmp_path / "x")
    mapped = map_tensors(tmp_path / "x")
    assert mapped.keys() == tensors.keys()
    for name, value in tensors.items():
        assert mapped[name].dtype == value.dtype
        assert np.array_equal(mapped[name], value)


def test_a_process_that_starts_while_things_are_broken_serves_what_was_served(
    own_run: Path, start: Start, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "nothing"\nhide = true\nwhere = { items = ["none"] }\n')
    good = own_run / "model" / "items.safetensors"
    tensors = load_file(good)
    first = start(own_run, rules=str(rules))
    items = service(first).state.arms[0].items
    before = ids(recommend(first, history=[items[0]], k=10))
    save_file({**tensors, "bias": np.full_like(tensors["bias"], np.nan)}, good)  # loads, but its scores are not finite
    rules.write_text("[[rule]")
    assert first.post("/v1/admin/reload").json()["arms"][0]["refused"]
    second = start(own_run, rules=str(rules))  # as a worker that replaces a killed one, with the same cache
    assert ids(recommend(second, history=[items[0]], k=10)) == before
    status = second.get("/v1/admin/status").json()
    assert status["arms"][0]["refused"]
    assert status["rules"] == ["nothing"]
    assert "rules" in status["refused"]
    save_file({**tensors, "bias": np.linspace(0, 50, len(tensors["bias"]), dtype=np.float32),
               "has_interactions": np.ones_like(tensors["has_interactions"])}, good)  # fmt: skip
    assert not second.post("/v1/admin/reload").json()["arms"][0]["refused"]
    assert ids(recommend(second, history=[items[0]], k=10)) != before
