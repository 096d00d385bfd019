"""Making, saving and loading models."""

import json
from pathlib import Path

import pytest
import torch
from transformers import BloomConfig, BloomForCausalLM, FalconConfig, FalconForCausalLM

from shoptalk.errors import ModelError
from shoptalk.models import attention
from shoptalk.models.bases import CARD
from shoptalk.models.create import create
from shoptalk.models.dropout import Dropout
from shoptalk.models.storage import load, load_network, save
from shoptalk.recipe import Lora, Model
from tests.words import TITLES, small_model

IDS = torch.tensor([[7, 40, 41, 42, 90, 200]])


def logits(model: object) -> torch.Tensor:
    model.network.eval()
    with torch.inference_mode():
        return model.head(model.hidden(IDS))


def test_a_saved_model_says_the_same(tmp_path: Path) -> None:
    model = small_model()
    save(model, tmp_path / "model")
    again = load(tmp_path / "model")
    assert torch.equal(logits(model), logits(again))
    assert not list((tmp_path / "model").glob("*.bin"))  # no pickle
    assert again.tokenizer.encode("Rose soap") == model.tokenizer.encode("Rose soap")


def test_the_seed_decides_the_weights() -> None:
    assert torch.equal(logits(small_model(1)), logits(small_model(1)))
    assert not torch.equal(logits(small_model(1)), logits(small_model(2)))


def test_all_parameters_of_nano_are_trained() -> None:
    counts = small_model().parameters()
    assert counts["trainable_share"] == 1.0
    assert counts["parameters"] == counts["trainable"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a small Llama, as a model hub would give it."""
    folder = tmp_path_factory.mktemp("hub") / "llama"
    save(small_model(), folder)
    (folder / CARD).unlink()
    return str(folder)


def test_lora_trains_a_small_share_and_survives_saving(base: str, tmp_path: Path) -> None:
    model = create(Model(base=base, tuning="lora", precision="fp32"), Lora(r=4, alpha=8), [], 1, 128)
    counts = model.parameters()
    # 2 layers of 4 x (32 -> 32) and 3 x (32 <-> 96), each with r (in + out) parameters
    assert counts["trainable"] == 2 * 4 * (4 * (32 + 32) + 3 * (32 + 96))
    for name, parameter in model.network.named_parameters():
        if "lora_B" in name:  # zero at first: an empty adapter would go unnoticed
            torch.nn.init.normal_(parameter)
    save(model, tmp_path / "adapters")
    assert torch.allclose(logits(model), logits(load(tmp_path / "adapters")), atol=1e-5)


def test_adapters_drop_as_cheaply_as_the_rest(base: str) -> None:
    from peft.tuners.lora import LoraLayer  # which takes a second, and not to collect the tests

    model = create(Model(base=base, tuning="lora", precision="fp32"), Lora(r=4, dropout=0.25), [], 1, 128)
    layers = [layer for layer in model.network.modules() if isinstance(layer, LoraLayer)]
    assert len(layers) == 2 * 7
    assert all(
        isinstance(module, Dropout) and module.p == 0.25 for layer in layers for module in layer.lora_dropout.values()
    )


def test_short_rows_are_attended_to_by_plain_products(base: str) -> None:
    for recipe in (Model(width=32, layers=1), Model(base=base), Model(base=base, tuning="lora")):
        assert create(recipe, Lora(), TITLES, 1, 128).network.config._attn_implementation == attention.NAME


def test_attention_that_is_a_models_own_stays_its_own(tmp_path: Path) -> None:
    small = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1, "vocab_size": 300}
    FalconForCausalLM(FalconConfig(**small)).save_pretrained(tmp_path / "falcon")
    assert load_network(str(tmp_path / "falcon"), "full", "fp32").config._attn_implementation == "sdpa"
    BloomForCausalLM(BloomConfig(hidden_size=32, n_head=2, n_layer=1, vocab_size=300)).save_pretrained(
        tmp_path / "bloom"
    )
    # it has no fused attention: ours would be given a mask of another kind, and see the future
    assert load_network(str(tmp_path / "bloom"), "full", "fp32").config._attn_implementation == "eager"


def test_lora_is_scaled_by_alpha_over_r(base: str) -> None:
    model = create(Model(base=base, tuning="lora", precision="fp32"), Lora(r=4, alpha=8), [], 1, 128)
    scales = {
        layer.scaling["default"]
        for layer in model.network.modules()
        if hasattr(layer, "scaling") and isinstance(layer.scaling, dict)
    }
    assert scales == {8 / 4}


def test_qlora_trains_saves_and_loads_four_bit_weights(base: str, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    model = create(Model(base=base, tuning="qlora", precision="fp32"), Lora(r=4), [], 1, 128)
    assert 0 < model.parameters()["trainable_share"] < 0.5
    for name, parameter in model.network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    save(model, tmp_path / "adapters")
    assert torch.allclose(logits(model), logits(load(tmp_path / "adapters")), atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"base": "/nowhere/at/all"}, "cannot load the tokenizer"),
        ({"tuning": "lora"}, "adapters need a trained base"),
        ({"precision": "fp16"}, "fp16 training needs a GPU"),
    ],
)
def test_what_cannot_be_made_says_why(settings: dict, says: str) -> None:
    if settings.get("precision") == "fp16" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ModelError, match=says):
        create(Model.model_validate(settings), Lora(), TITLES, 1, 128)


def test_a_target_that_no_layer_has(base: str) -> None:
    with pytest.raises(ModelError, match="no layer fits"):
        create(Model(base=base, tuning="lora"), Lora(targets=("nonsense",)), [], 1, 128)


def test_a_prompt_longer_than_the_model_reads(base: str) -> None:
    with pytest.raises(ModelError, match="reads at most 2048 tokens"):
        create(Model(base=base, precision="fp32"), Lora(), [], 1, 4096)


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    save(small_model(), tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot load the model"):
        load(tmp_path / "model")
    (tmp_path / "model" / CARD).write_text(json.dumps({"base": "nano"}))
    with pytest.raises(ModelError, match="not a saved model"):
        load(tmp_path / "model")
