"""The forward pass in NumPy equals that of transformers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from shoptalk.models.numpy_llama import NumpyLlama, is_supported

SIZES = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3}


@pytest.mark.parametrize("key_value_heads", [4, 2, 1])
def test_hidden_states_are_those_of_transformers(key_value_heads: int, tmp_path: Path) -> None:
    torch.manual_seed(key_value_heads)
    config = LlamaConfig(**SIZES, num_attention_heads=4, num_key_value_heads=key_value_heads, initializer_range=0.3)
    reference = LlamaForCausalLM(config).eval()
    for norm in (layer.input_layernorm for layer in reference.model.layers):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
    reference.save_pretrained(tmp_path)
    ids = torch.randint(0, 50, (1, 40))
    with torch.no_grad():
        expected = reference.model(ids).last_hidden_state[0].numpy()
    assert is_supported(tmp_path)
    network = NumpyLlama.load(tmp_path)
    assert set(network.tensor_names) <= network.weights.keys()
    hidden = network.hidden(network.token_embeddings[ids[0].numpy()])
    assert hidden.dtype == np.float32
    assert np.abs(hidden - expected).max() < 1e-5


@pytest.mark.parametrize(
    "setting",
    [{"attention_bias": True}, {"hidden_act": "gelu"}, {"rope_parameters": {"rope_type": "linear", "factor": 2.0}}],
)
def test_other_architectures_are_not_supported(setting: dict[str, object], tmp_path: Path) -> None:
    LlamaForCausalLM(LlamaConfig(**SIZES, num_attention_heads=4, **setting)).save_pretrained(tmp_path)
    assert not is_supported(tmp_path)
    assert not is_supported(tmp_path / "no-folder")


def test_a_batch_of_texts_gives_the_states_of_each_alone(tmp_path: Path) -> None:
    LlamaForCausalLM(LlamaConfig(**SIZES, num_attention_heads=4, num_key_value_heads=2)).save_pretrained(tmp_path)
    network = NumpyLlama.load(tmp_path)
    random = np.random.default_rng(1)
    texts = [network.token_embeddings[random.integers(0, 50, length)] for length in (5, 1, 9, 3, 9)]
    alone = np.array([network.hidden(text)[-1] for text in texts])
    assert np.abs(network.last(texts) - alone).max() < 1e-5
    assert np.abs(network.last(texts[2:3]) - alone[2]).max() < 1e-5
