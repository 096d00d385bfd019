"""The forward pass of the Llama architecture in NumPy, for a small model without importing torch.

Each layer adds attention (A. Vaswani et al., arXiv 1706.03762; grouped queries, J. Ainslie et al., arXiv 2305.13245;
rotary positions, J. Su et al., arXiv 2104.09864) and a gated feed-forward network (SwiGLU, N. Shazeer, arXiv
2002.05202) to its input, each after a normalisation by the root mean square (B. Zhang, R. Sennrich, arXiv 1910.07467).
The reference is ``LlamaForCausalLM`` of transformers.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shoptalk.models.mapped import map_tensors

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

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
        return self._layers([embeddings], ends_only=False)

    def last(self, texts: Sequence[Floats]) -> Floats:
        """Hidden states (B, D) after the last layer at the ends of B texts, for their input embeddings (T, D) each.

        The linear layers take the tokens of all texts at once, so that their weights are read once for a batch.
        """
        return self._layers(texts, ends_only=True)

    def _layers(self, texts: Sequence[Floats], *, ends_only: bool) -> Floats:
        """States of all N tokens of the texts one after the other (N, D), or of the last token of each text (B, D)."""
        states = np.concatenate(texts)
        layout = _Layout.of([len(text) for text in texts])
        last = self.config["num_hidden_layers"] - 1
        for layer in range(last + 1):
            prefix = f"model.layers.{layer}."
            normalised = self._normalised(prefix + "input_layernorm", states)
            if ends_only and layer == last:  # no later layer reads the other states
                layout, states = replace(layout, ends_only=True), states[layout.ends]
            states = states + self._attention(prefix, normalised, layout)
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

    def _attention(self, prefix: str, states: Floats, layout: "_Layout") -> Floats:
        """Causal attention with rotary positions within each text: (N, D) to (N, D), or (B, D) of the ends alone."""
        size = self.config["head_dim"]
        asked = states[layout.ends] if layout.ends_only else states
        query, key, value = (
            self._product(f"{prefix}self_attn.{name}_proj", part).reshape(len(part), -1, size)
            for name, part in (("q", asked), ("k", states), ("v", states))
        )  # (N, H, C) or (B, H, C), and twice (N, K, C)
        places = layout.positions[layout.ends] if layout.ends_only else layout.positions
        query, key = self._rotated(query, places), self._rotated(key, layout.positions)
        query = query[:, None] if layout.ends_only else query[layout.padded]  # (B, Q, H, C); Q is 1 or T
        key, value = (np.repeat(part[layout.padded], query.shape[2] // part.shape[1], axis=2) for part in (key, value))
        scores = query.transpose(0, 2, 1, 3) @ key.transpose(0, 2, 3, 1) * np.float32(size**-0.5)  # (B, H, Q, T)
        scores = np.where(layout.later[:, None], np.float32(-np.inf), scores)
        scores = np.exp(scores - scores.max(axis=3, keepdims=True))
        mixed = (scores / scores.sum(axis=3, keepdims=True)) @ value.transpose(0, 2, 1, 3)  # (B, H, Q, C)
        flat = mixed.transpose(0, 2, 1, 3).reshape(*query.shape[:2], -1)  # (B, Q, D)
        return self._product(prefix + "self_attn.o_proj", flat[:, 0] if layout.ends_only else flat[layout.real])

    def _rotated(self, heads: Floats, positions: Ints) -> Floats:
        """(N, H, C) heads whose coordinates n and n + C / 2 are rotated by the position times the n-th frequency."""
        size = heads.shape[2]
        exponents = np.arange(0, size, 2, dtype=np.float32) / np.float32(size)
        frequencies = np.float32(self.config["rope_parameters"]["rope_theta"]) ** -exponents
        angles = positions.astype(np.float32)[:, None, None] * frequencies  # (N, 1, C / 2)
        cosine, sine = np.cos(angles), np.sin(angles)
        first, second = heads[..., : size // 2], heads[..., size // 2 :]
        return np.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=2)


@dataclass(frozen=True)
class _Layout:
    """Where the N tokens of B texts are, one text after the other, and in a table of B rows of the longest length T.

    Attributes
    ----------
    positions
        (N,) of each token in its text.
    ends
        (B,) indices of the last tokens.
    padded
        (B, T) the index of each token; after the end of a text, that of its last token.
    real
        (B, T) which of them are before the end.
    ends_only
        Whether only the last tokens ask.
    """

    positions: Ints
    ends: Ints
    padded: Ints
    real: NDArray[np.bool_]
    ends_only: bool = False

    @classmethod
    def of(cls, lengths: Sequence[int]) -> Self:
        """The layout of texts of these lengths, each of at least 1."""
        counts = np.asarray(lengths, dtype=np.int64)
        ends = np.cumsum(counts) - 1
        columns = np.arange(counts.max(), dtype=np.int64)
        real = columns < counts[:, None]
        padded = (ends - counts + 1)[:, None] + np.minimum(columns, counts[:, None] - 1)
        return cls(np.broadcast_to(columns, real.shape)[real], ends, padded, real)

    @property
    def later(self) -> NDArray[np.bool_]:
        """(B, Q, T) which tokens are after the one that asks, and so are not seen by it."""
        columns = np.arange(self.real.shape[1], dtype=np.int64)
        if self.ends_only:
            return ~self.real[:, None]
        return (columns > columns[:, None])[None]
