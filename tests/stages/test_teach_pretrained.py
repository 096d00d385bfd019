"""A real teacher: `transformers serve` with SmolLM2 answers, through the official client."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.models.prepared import prepared_folder
from shoptalk.progress import silent
from shoptalk.recipe import parse_recipe
from shoptalk.stages.teach import teach

NAME = "smollm2-135m-instruct"
FOLDER = prepared_folder(NAME)
WORDS = ("rose", "cedar", "mint", "lime")
pytestmark = [
    pytest.mark.pretrained,
    pytest.mark.slow,
    pytest.mark.skipif(FOLDER is None, reason=f"the model {NAME} is not prepared: make pretrained"),
    pytest.mark.skipif(find_spec("fastapi") is None, reason="transformers serve needs fastapi and uvicorn"),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of a server that has loaded the model."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen([*command, str(FOLDER)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address, end = f"http://127.0.0.1:{port}", time.monotonic() + 180
    try:
        while not _answers(address):
            assert process.poll() is None, "the server stopped"
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.5)
        yield address + "/v1"
    finally:
        process.kill()
        process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address + "/health", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, TimeoutError):
        return False


def test_a_real_server_is_a_teacher(url: str, tmp_path: Path) -> None:
    items = ["item_id,title", *(f"i{number},{WORDS[number % 4]} soap {number}" for number in range(12))]
    bought = [(user, (user + step) % 12, 1_600_000_000 + 100 * step) for user in range(8) for step in range(4)]
    rows = ["user_id,item_id,timestamp", *(f"u{user},i{item},{moment}" for user, item, moment in bought)]
    (tmp_path / "items.csv").write_text("\n".join(items), encoding="utf-8")
    (tmp_path / "rows.csv").write_text("\n".join(rows), encoding="utf-8")
    recipe = parse_recipe(
        {
            "data": {
                "source": "table",
                "interactions": str(tmp_path / "rows.csv"),
                "items": str(tmp_path / "items.csv"),
            },
            "split": {"method": "by-user", "fractions": [0.5, 0.25, 0.25]},
            "prompt": {"task": "generate_reason", "persona": True, "max_tokens": 1024},
            "training": {"targets": "last"},
            "evaluation": {"generate": 4},
            "teacher": {
                "url": url,
                "model": str(FOLDER),
                "key_variable": "",
                "options": 4,
                "max_answer_tokens": 48,
                "timeout": 120,
                "input_price": 0.0,
                "output_price": 0.0,
            },
        }
    )
    prepare(recipe, tmp_path / "dataset")
    result = teach(recipe, open_dataset(tmp_path / "dataset"), tmp_path / "answers.jsonl", None, silent)
    assert (result.rows, result.asked, result.failed) == (4, 4, {})
    # A model of this size seldom answers in the form that is asked for: what it wrote is either accepted or refused.
    assert result.accepted + sum(result.refused.values()) == 4
    assert result.input_tokens > 100
    assert result.output_tokens > 3
    for row in (tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines():
        assert json.loads(row)
    again = teach(recipe, open_dataset(tmp_path / "dataset"), tmp_path / "answers.jsonl", None, silent)
    assert (again.asked, again.accepted) == (0, result.accepted)  # also refused answers are not paid for again
