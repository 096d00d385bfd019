"""Items as plain tokens of the vocabulary, in models of every kind."""

from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from shoptalk.errors import ModelError
from shoptalk.models.bases import CARD
from shoptalk.models.create import create
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.storage import load, save
from shoptalk.recipe import Lora, Model
from shoptalk.schema import item_token
from tests.words import CATALOGUE, TITLES, tokenizer

ITEMS = [*CATALOGUE, "none"]


def base(folder: Path, kind: str) -> str:
    """A tiny pretrained model's folder: GPT-2, whose input and output rows are the same, or a Llama with two tables."""
    torch.manual_seed(0)
    words = tokenizer()
    size = len(words.hugging_face)
    if kind == "gpt2":
        config: object = GPT2Config(
            vocab_size=size,
            n_positions=256,
            n_embd=64,
            n_layer=2,
            n_head=2,
            eos_token_id=1,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
        )
        network: object = GPT2LMHeadModel(config)
    else:
        config = LlamaConfig(
            vocab_size=size,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=256,
            eos_token_id=1,
            tie_word_embeddings=False,
        )
        network = LlamaForCausalLM(config)
    network.save_pretrained(folder / kind)
    words.save(folder / kind)
    return str(folder / kind)


def learn(model: LanguageModel) -> None:
    """A few large steps on a text full of items."""
    ids = torch.tensor([model.tokenizer.encode(" ".join(item_token(item) for item in ITEMS[:8]))])
    optimiser = torch.optim.AdamW([p for p in model.network.parameters() if p.requires_grad], lr=0.05)
    model.network.train()
    for _ in range(5):
        logits = model.head(model.hidden(ids))
        torch.nn.functional.cross_entropy(logits[0, :-1], ids[0, 1:]).backward()
        optimiser.step()
        optimiser.zero_grad()
    model.network.eval()


def logits(model: LanguageModel) -> torch.Tensor:
    ids = torch.tensor([model.tokenizer.encode("Rose soap " + " ".join(map(item_token, ITEMS)))])
    with torch.inference_mode():
        return model.head(model.hidden(ids))


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.parametrize("tuning", ["full", "lora", "qlora"])
def test_new_rows_are_learned_saved_and_loaded(tmp_path: Path, kind: str, tuning: str) -> None:
    if tuning == "qlora":
        pytest.importorskip("bitsandbytes")
    recipe = Model(base=base(tmp_path, kind), tuning=tuning, precision="fp32")
    model = create(recipe, Lora(r=2, dropout=0.0), TITLES, 1, 128, ITEMS)
    before = logits(model)
    learn(model)
    after = logits(model)
    first = len(tokenizer().hugging_face)
    assert (after[..., first:] - before[..., first:]).abs().max() > 0.1
    save(model, tmp_path / "saved")
    assert (tmp_path / "saved" / CARD).exists()
    again = load(tmp_path / "saved")
    assert torch.allclose(logits(again), after, atol=1e-5)
    if kind == "gpt2":  # tied before, tied after
        one, two = model.network.get_input_embeddings(), model.network.get_output_embeddings()
        if tuning != "full":
            assert one.token_adapter.trainable_tokens_delta is two.token_adapter.trainable_tokens_delta
            one, two = one.token_adapter.base_layer, two.token_adapter.base_layer
        assert one.weight is two.weight
    if tuning != "full":  # the adapter holds the new rows, not the whole table
        size = (tmp_path / "saved" / "adapter_model.safetensors").stat().st_size
        learned = sum(p.numel() for p in model.network.parameters() if p.requires_grad)
        assert size < 4 * learned + 20_000


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_look_in_between_does_not_change_the_gradients_of_4_bit_models(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("bitsandbytes")
    recipe = Model(base=base(tmp_path, kind), tuning="qlora", precision="fp32")
    model = create(recipe, Lora(r=2, dropout=0.0), TITLES, 1, 128, ITEMS)
    ids = torch.tensor([model.tokenizer.encode("Rose soap and a comb")])
    found = []
    for _ in range(2):
        model.network.train()
        model.network.zero_grad()
        model.head(model.hidden(ids)).float().logsumexp(-1).sum().backward()
        found.append({name: p.grad.clone() for name, p in model.network.named_parameters() if p.grad is not None})
        model.network.eval()
        logits(model)
    assert found[0].keys() == found[1].keys()
    assert any("layers.0" in name or "h.0" in name for name in found[0])  # the first layer learns through the others
    for name, gradient in found[0].items():
        assert torch.allclose(gradient, found[1][name], atol=1e-5), name


def test_old_words_mean_what_they_meant(tmp_path: Path) -> None:
    name = base(tmp_path, "gpt2")
    plain = create(Model(base=name, precision="fp32"), Lora(), TITLES, 1, 128)
    grown = create(Model(base=name, precision="fp32"), Lora(), TITLES, 1, 128, ITEMS)
    for model in (plain, grown):
        model.network.eval()
    ids = torch.tensor([plain.tokenizer.encode("Rose soap")])
    with torch.inference_mode():
        old, new = (model.head(model.hidden(ids)) for model in (plain, grown))
    assert torch.allclose(old, new[..., : old.shape[-1]], atol=1e-5)


def test_an_id_that_is_a_token_already_is_refused() -> None:
    with pytest.raises(ModelError, match="1 of 2"):
        create(Model(width=32, layers=1, vocabulary=320), Lora(), TITLES, 1, 128, ["a", "a"])
