"""A pretrained language model, SmolLM2-135M-Instruct from a GGUF file, in everything that a base is used for."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from shoptalk.cli.main import main
from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.models.bases import base_tokenizer
from shoptalk.models.prepared import prepared_folder
from shoptalk.models.storage import load_network
from shoptalk.progress import silent
from shoptalk.recipe import Recipe
from shoptalk.runs import open_run
from shoptalk.schema import ITEM_OPENS, item_token
from shoptalk.stages.baselines import Baselines
from shoptalk.stages.evaluate import evaluate
from shoptalk.stages.train import train
from shoptalk.tasks import load_recipe

NAME, SIZE = "smollm2-135m-instruct", 49_152
FOLDER = prepared_folder(NAME)
pytestmark = [
    pytest.mark.pretrained,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(FOLDER is None, reason=f"the model {NAME} is not prepared: make pretrained"),
]
SETTINGS = [
    "data.users=4",
    f"model.base={NAME}",
    "model.precision=fp32",
    "prompt.style=plain",
    "prompt.history=3",
    "prompt.field_tokens=12",
    "training.pretrain_epochs=0",
    "training.choice_epochs=0",
    "training.trackers=[]",
]


def test_it_continues_with_what_it_has_read() -> None:
    network = load_network(str(FOLDER), "full", "fp32").eval()
    tokenizer = base_tokenizer(NAME)
    with torch.inference_mode():
        logits = network(input_ids=torch.tensor([tokenizer.encode("The capital of France is")])).logits
    assert tokenizer.decode([int(logits[0, -1].argmax())]) == " Paris"


def test_its_special_tokens() -> None:
    tokenizer = base_tokenizer(NAME)
    assert tokenizer.start == []  # bos opens a message; it is not the beginning of every text
    assert tokenizer.hugging_face.bos_token == "<|im_start|>"
    assert (tokenizer.end, tokenizer.pad_id) == ("<|im_end|>", 2)
    ids = tokenizer.encode("<|im_start|>soap<|im_end|>")
    assert (ids[0], ids[-1]) == (1, 2)
    assert len(tokenizer.encode("2019")) == 4  # a digit is a token
    text = "Rosé Lipstick, 0.15 Ounce (Pack of 3)\n"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    question = tokenizer.chat("Which soap?")
    assert question.startswith("<|im_start|>system\n")
    assert question.endswith("<|im_start|>user\nWhich soap?<|im_end|>\n<|im_start|>assistant\n")
    assert tokenizer.chat_end == "<|im_end|>"


def test_item_tokens_are_added_behind_its_own() -> None:
    tokenizer = base_tokenizer(NAME)
    before = tokenizer.encode("Rose soap<|im_end|>")
    assert tokenizer.add_names(ITEM_OPENS, ["B1", "B2"]) == [SIZE, SIZE + 1]
    assert tokenizer.size == SIZE + 2
    assert tokenizer.encode(f"Rose{item_token('B2')} soap") == [*before[:1], SIZE + 1, *before[1:-1]]
    assert tokenizer.encode("Rose soap<|im_end|>") == before
    assert (tokenizer.end, tokenizer.pad_id) == ("<|im_end|>", 2)
    assert tokenizer.names(SIZE, 2) == ["B1", "B2"]


def make_recipe(shop: Path, *settings: str) -> Recipe:
    return load_recipe(shop / "recipe.toml", [*SETTINGS, *settings])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated shop, of which 4 users are drawn."""
    folder = tmp_path_factory.mktemp("shop")
    write_sample(folder, users=60, items=30)
    prepare(make_recipe(folder), folder / "dataset")
    return folder


def test_it_chooses_among_options_without_training(shop: Path) -> None:
    recipe = make_recipe(shop, "prompt.task=multiple_choice", "training.epochs=0", "evaluation.scoring=mean")
    trained = train(recipe, open_dataset(shop / "dataset"), shop / "zero-shot", silent)
    base = json.loads((shop / "zero-shot" / "run.json").read_text())["base"]
    assert base["source"]["name"] == "SmolLM2-135M-Instruct.Q4_1.gguf"
    accuracy = evaluate(trained, Baselines({}), silent).metrics["accuracy"]
    assert accuracy.n == 4
    assert 0 <= accuracy.low <= accuracy.value <= accuracy.high <= 1


@pytest.fixture(scope="module")
def adapted(shop: Path) -> Path:
    """The folder of a run with adapters."""
    settings = ["prompt.task=generate_title", "model.tuning=lora", "lora.dropout=0", "training.epochs=2"]
    settings += ["training.targets=last", "training.batch_tokens=64", "training.learning_rate=1e-3"]
    train(make_recipe(shop, *settings), open_dataset(shop / "dataset"), shop / "lora", silent)
    return shop / "lora"


def test_adapters_lower_the_loss(adapted: Path) -> None:
    training = open_run(adapted).info["training"]
    first, last = training["losses"][0], training["losses"][-1]
    assert last["train"] < 0.9 * first["train"]
    assert training["trainable"] < 0.05 * training["parameters"]


def test_a_run_with_adapters_is_loaded_again_and_recommends(adapted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["recommend", str(adapted), "--user", _a_user(adapted), "-k", "3", "--json"])
    assert stop.value.code == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    scores = [item["score"] for item in result["items"]]
    assert len({item["item_id"] for item in result["items"]}) == 3
    assert scores == sorted(scores, reverse=True)


def _a_user(run: Path) -> str:
    return open_dataset(run.parent / "dataset").split().test[0].history.user_id
