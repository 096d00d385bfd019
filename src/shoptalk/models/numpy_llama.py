"""The forward pass of the Llama architecture in NumPy, for one text of a small model without importing torch.

Each layer adds attention (A. Vaswani et al., arXiv 1706.03762; grouped queries, J. Ainslie et al., arXiv 2305.13245;
rotary positions, J. Su et al., arXiv 2104.09864) and a gated feed-forward network (SwiGLU, N. Shazeer, arXiv
2002.05202) to its input, each after a normalisation by the root mean square (B. Zhang, R. Sennrich, arXiv 1910.07467).
The reference is ``LlamaForCausalLM`` of transformers.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shoptalk.models.mapped import map_tensors

Floats = NDArray[np.float32]

CONFIG, WEIGHTS = "config.json", "model.safetensors"
#: Settings of ``config.json`` that change the computation, with the only value that is computed here.
_REQUIRED = {"model_type": "llama", "hidden_act": "silu", "attention_bias": False, "mlp_bias": False}


def is_supported(folder: Path) -> bool:
    """Whether the model in a folder has the architecture that is computed here, in one file of fp32 weights."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        rope = config["rope_parameters"]["rope_type"]
        settings = {name: config[name] for name in _REQUIRED}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    is_fp32 = config.get("dtype") == "float32" and not config.get("quantization_config")
    return settings == _REQUIRED and rope == "default" and is_fp32 and (folder / WEIGHTS).is_file()


@dataclass(frozen=True)
class NumpyLlama:
    """The layers of a Llama model below its output layer.

    Attributes
    ----------
    config
        The content of ``config.json``.
    weights
        Tensors by their names in transformers.
    """

    config: Mapping[str, Any]
    weights: Mapping[str, Floats]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model in a folder (see `is_supported`).

        Raises
        ------
        OSError, ValueError, SafetensorError
            When a file is missing or damaged.
        """
        return cls(json.loads((folder / CONFIG).read_text(encoding="utf-8")), map_tensors(folder / WEIGHTS))

    @property
    def tensor_names(self) -> list[str]:
        """The names of all tensors that `hidden` reads, and of the embeddings of tokens."""
        parts = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
        parts += ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "input_layernorm", "post_attention_layernorm"]
        layers = range(self.config["num_hidden_layers"])
        names = [f"model.layers.{layer}.{part}.weight" for layer in layers for part in parts]
        return ["model.embed_tokens.weight", "model.norm.weight", *names]

    @property
    def token_embeddings(self) -> Floats:
        """(V, D) embeddings of the tokens."""
        return self.weights["model.embed_tokens.weight"]

    def hidden(self, embeddings: Floats) -> Floats:
        """Hidden states (T, D) after the last layer, for the input embeddings (T, D) of one text."""
        states = embeddings
        for layer in range(self.config["num_hidden_layers"]):
            prefix = f"model.layers.{layer}."
            states = states + self._attention(prefix, self._normalised(prefix + "input_layernorm", states))
            states = states + self._feed_forward(prefix, self._normalised(prefix + "post_attention_layernorm", states))
        return self._normalised("model.norm", states)

    def _product(self, name: str, states: Floats) -> Floats:
        """A linear layer without bias."""
        return states @ self.weights[name + ".weight"].T

    def _normalised(self, name: str, states: Floats) -> Floats:
        """(T, D) states divided by the root of their mean square, times the weights of the layer."""
        mean_square = np.mean(states * states, axis=1, keepdims=True)
        scale = 1 / np.sqrt(mean_square + np.float32(self.config["rms_norm_eps"]))
        return self.weights[name + ".weight"] * (states * scale)

    def _feed_forward(self, prefix: str, states: Floats) -> Floats:
        """The gated feed-forward network, (T, D) to (T, D)."""
        gate = self._product(prefix + "mlp.gate_proj", states)
        with np.errstate(over="ignore"):  # exp of a very negative gate is inf, and the gate is 0
            gate = gate / (1 + np.exp(-gate))
        return self._product(prefix + "mlp.down_proj", gate * self._product(prefix + "mlp.up_proj", states))

    def _attention(self, prefix: str, states: Floats) -> Floats:
        """Causal attention with rotary positions, (T, D) to (T, D)."""
        length = len(states)
        query, key, value = (
            self._product(f"{prefix}self_attn.{name}_proj", states)
            .reshape(length, -1, self.config["head_dim"])
            .transpose(1, 0, 2)
            for name in ("q", "k", "v")
        )  # (H, T, C) and twice (K, T, C)
        query, key = self._rotated(query), self._rotated(key)
        key, value = (np.repeat(part, len(query) // len(part), axis=0) for part in (key, value))  # (H, T, C)
        scores = query @ key.transpose(0, 2, 1) * np.float32(self.config["head_dim"] ** -0.5)  # (H, T, T)
        scores[:, np.triu(np.ones((length, length), dtype=np.bool_), 1)] = -np.inf
        scores = np.exp(scores - scores.max(axis=2, keepdims=True))
        mixed = (scores / scores.sum(axis=2, keepdims=True)) @ value  # (H, T, C)
        return self._product(prefix + "self_attn.o_proj", mixed.transpose(1, 0, 2).reshape(length, -1))

    def _rotated(self, heads: Floats) -> Floats:
        """(H, T, C) heads whose coordinates n and n + C / 2 are rotated by the position times the n-th frequency."""
        size = heads.shape[2]
        exponents = np.arange(0, size, 2, dtype=np.float32) / np.float32(size)
        frequencies = np.float32(self.config["rope_parameters"]["rope_theta"]) ** -exponents
        angles = np.arange(heads.shape[1], dtype=np.float32)[:, None] * frequencies  # (T, C / 2)
        cosine, sine = np.cos(angles), np.sin(angles)
        first, second = heads[..., : size // 2], heads[..., size // 2 :]
        return np.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=2)
