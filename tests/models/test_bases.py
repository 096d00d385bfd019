"""Bases that are no plain model, that are damaged, moved or replaced, and vocabularies that leave out ids."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from shoptalk.errors import ModelError
from shoptalk.models.bases import CARD, item_folder
from shoptalk.models.create import create
from shoptalk.models.item_embeddings import continue_items, with_items
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.storage import load, save
from shoptalk.models.tokenizer import load_tokenizer
from shoptalk.models.weights import is_finite
from shoptalk.recipe import Lora, Model
from shoptalk.schema import ITEM_OPENS, item_token
from tests.words import CATALOGUE, small_model, tokenizer

IDS = torch.tensor([[7, 40, 41, 42, 90, 200]])
HOLE = 20


def logits(model: LanguageModel) -> torch.Tensor:
    model.network.eval()
    with torch.inference_mode():
        return model.head(model.hidden(IDS))


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A folder with a small model, as a hub would give it."""
    save(small_model(), tmp_path / "plain")
    (tmp_path / "plain" / CARD).unlink()
    return tmp_path / "plain"


def make(base: Path | str, tuning: str = "full", names: tuple[str, ...] = ()) -> LanguageModel:
    return create(Model(base=str(base), tuning=tuning, precision="fp32"), Lora(r=4, dropout=0), [], 1, 128, names)


def adapted(base: Path | str, folder: Path, tuning: str = "lora", names: tuple[str, ...] = ()) -> LanguageModel:
    """A model whose adapters, and new rows, do something."""
    torch.manual_seed(5)
    model = make(base, tuning, names)
    for name, parameter in model.network.named_parameters():
        if "lora_B" in name or "trainable_tokens_delta" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    save(model, folder)
    return model


def with_hole(folder: Path) -> int:
    """Give the last word of a folder's tokenizer an id that is ``HOLE`` larger; returns that id."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    words = content["model"]["vocab"]
    last = max(words, key=words.get)
    words[last] += HOLE
    path.write_text(json.dumps(content))
    return int(words[last])


def test_ids_of_items_are_asked_of_a_vocabulary_that_leaves_out_ids(plain: Path, tmp_path: Path) -> None:
    largest = with_hole(plain)
    model = make(plain, names=tuple(CATALOGUE))
    ids = [model.tokenizer.encode(item_token(item)) for item in CATALOGUE]
    # the count of tokens is HOLE less than the largest id plus one; items begin behind the largest
    assert ids == [[largest + 1 + index] for index in range(len(CATALOGUE))]
    assert model.network.get_input_embeddings().weight.shape[0] == largest + 1 + len(CATALOGUE)
    assert model.tokenizer.encode("Rose shampoo") == load_tokenizer(str(plain)).encode("Rose shampoo")
    save(model, tmp_path / "saved")
    again = load(tmp_path / "saved")
    assert [again.tokenizer.encode(item_token(item)) for item in CATALOGUE] == ids


def test_item_tokens_stand_behind_the_largest_id(plain: Path, tmp_path: Path) -> None:
    largest = with_hole(plain)
    known = np.ones(len(CATALOGUE), dtype=np.bool_)
    model = with_items(make(plain), list(CATALOGUE), None, known, 0.0)
    assert model.items is not None
    assert model.items.first == largest + 1
    save(model, tmp_path / "saved")
    again = load(tmp_path / "saved")
    assert again.items is not None
    assert again.items.ids == tuple(CATALOGUE)


def test_added_tokens_have_the_ids_that_their_file_says(plain: Path) -> None:
    path = plain / "tokenizer.json"
    content = json.loads(path.read_text())
    wanted = len(content["model"]["vocab"]) + HOLE
    content["added_tokens"].append({**content["added_tokens"][0], "id": wanted, "content": "<extra>"})
    path.write_text(json.dumps(content))
    assert load_tokenizer(str(plain)).encode("<extra>") == [wanted]


def test_tokens_that_moved_after_training_are_noticed(plain: Path, tmp_path: Path) -> None:
    model = make(plain, names=("a", "b"))
    save(model, tmp_path / "saved")
    path = tmp_path / "saved" / "tokenizer.json"
    content = json.loads(path.read_text())
    swapped = {item_token("a"): item_token("b"), item_token("b"): item_token("a")}
    for token in content["added_tokens"]:
        token["content"] = swapped.get(token["content"], token["content"])
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="other ids than in training"):
        load(tmp_path / "saved")


def test_item_tokens_can_be_taken_out_again() -> None:
    words = tokenizer()
    size = words.size
    words.add_names(ITEM_OPENS, ["a", "b"])
    assert words.size == size + 2
    assert words.without(ITEM_OPENS).size == size


@pytest.mark.parametrize("tuning", ["full", "lora", "qlora"])
@pytest.mark.parametrize("first", ["lora", "qlora"])
def test_training_goes_on_from_adapters(plain: Path, tmp_path: Path, first: str, tuning: str) -> None:
    if "qlora" in (first, tuning):
        pytest.importorskip("bitsandbytes")
    before = adapted(plain, tmp_path / "first", first)
    assert (logits(before) - logits(make(plain))).abs().max() > 0.1
    model = make(tmp_path / "first", tuning)
    assert "merged" in model.notes[0]
    if tuning != "qlora":  # which rounds the merged weights
        assert torch.allclose(logits(model), logits(before), atol=1e-3)
    assert model.trainable_parameters()
    second = adapted(tmp_path / "first", tmp_path / "second", tuning)
    assert torch.allclose(logits(load(tmp_path / "second")), logits(second), atol=1e-4)


def test_rows_of_items_are_merged_and_kept(plain: Path, tmp_path: Path) -> None:
    before = adapted(plain, tmp_path / "first", names=("a", "b"))
    model = make(tmp_path / "first", names=("b", "c"))
    assert model.tokenizer.encode(item_token("b")) == before.tokenizer.encode(item_token("b"))
    size = before.tokenizer.size
    assert torch.allclose(logits(model)[..., :size], logits(before), atol=1e-3)


def test_a_missing_layer_is_named(plain: Path) -> None:
    weights = load_file(plain / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, plain / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"lack model\.layers\.1\.mlp\.up_proj\.weight"):
        make(plain)


@pytest.mark.parametrize("tuning", ["full", "lora", "qlora"])
def test_weights_that_are_no_numbers_are_named(plain: Path, tuning: str) -> None:
    if tuning == "qlora":
        pytest.importorskip("bitsandbytes")
    weights = load_file(plain / "model.safetensors")
    weights["model.layers.0.self_attn.q_proj.weight"][0, 0] = float("nan")
    save_file(weights, plain / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"NaN or infinity in model\.layers\.0\.self_attn\.q_proj\.weight"):
        make(plain, tuning)


def test_a_replaced_base_is_noticed(plain: Path, tmp_path: Path) -> None:
    adapted(plain, tmp_path / "adapters")
    save(small_model(2), plain)
    with pytest.raises(ModelError, match="its weights differ"):
        load(tmp_path / "adapters")


def test_a_relative_base_is_found_from_elsewhere(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = adapted("plain", Path("run/model"))
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert torch.allclose(logits(load(tmp_path / "run" / "model")), logits(model), atol=1e-4)
    moved = tmp_path / "moved"
    moved.mkdir()
    shutil.move(plain, moved / "plain")
    shutil.move(tmp_path / "run", moved / "run")
    assert torch.allclose(logits(load(moved / "run" / "model")), logits(model), atol=1e-4)
    shutil.rmtree(moved / "plain")
    with pytest.raises(ModelError, match="is gone"):
        load(moved / "run" / "model")


def test_pickled_weights_are_not_read(plain: Path, tmp_path: Path) -> None:
    adapted(plain, tmp_path / "adapters")
    (tmp_path / "adapters" / "adapter_model.safetensors").rename(tmp_path / "adapters" / "adapter_model.bin")
    with pytest.raises(ModelError, match="not read"):
        load(tmp_path / "adapters")
    (plain / "model.safetensors").rename(plain / "pytorch_model.bin")
    with pytest.raises(ModelError):
        make(plain)


def test_a_runs_folder_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ModelError, match="name its model"):
        make(tmp_path)


def test_item_tokens_go_on_from_those_of_the_base(tmp_path: Path) -> None:
    old = ["a", "b", "c"]
    before = with_items(small_model(), old, None, np.array([True, True, False]), 0.0)
    save(before, tmp_path / "first")
    model = make(tmp_path / "first")
    new = ["c", "d", "a"]  # another order, one gone, one new
    model = continue_items(with_items(model, new, None, np.array([True, True, False]), 0.0), tmp_path / "first")
    assert before.items is not None
    assert model.items is not None
    assert model.items.first == before.items.first
    assert torch.equal(model.items.residual[[0, 2]], before.items.residual[[2, 0]])
    assert model.items.has_interactions.tolist() == [True, True, True]  # a was bought in the base's training
    assert torch.equal(logits(model), logits(make(tmp_path / "first")))
    assert "2 of 3 items" in model.notes[-1]


def test_a_base_whose_items_have_another_encoder_is_refused(tmp_path: Path) -> None:
    save(with_items(small_model(), ["a"], None, np.array([True]), 0.0), tmp_path / "first")
    assert item_folder(str(tmp_path / "first"), "none") == tmp_path / "first"
    with pytest.raises(ModelError, match="'none', not with 'lsa'"):
        item_folder(str(tmp_path / "first"), "lsa")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float8_e5m2], ids=str)
def test_one_element_that_is_not_finite_is_noticed(dtype: torch.dtype) -> None:
    assert is_finite(torch.arange(-8, 8).to(dtype))
    assert is_finite(torch.empty(0).to(dtype))
    for value in (torch.nan, torch.inf, -torch.inf):
        tensor = torch.zeros(3, 4)
        tensor[1, 2] = value
        assert not is_finite(tensor.to(dtype)), value
    assert is_finite(torch.tensor([1, 2]))
