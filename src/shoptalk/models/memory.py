"""How much memory a causal model needs in fp32 on a CPU, by the sizes of its layers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shoptalk.results.models import MemoryNeeds

#: Tokens of a training step (the default of ``training.batch_tokens``), and of a batch in scoring.
BATCH_TOKENS = 4096
#: The default of ``lora.r``.
RANK = 16
#: Bytes of a weight in 4-bit NF4 with doubly quantised scales of blocks of 64 (Dettmers et al. 2023): 4.127 bits.
NF4 = 4.127 / 8
#: Most scores of a block of the cross-entropy (`shoptalk.training.cross_entropy`).
SCORES = 1 << 24


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The sizes of a Llama-like network: ``inner`` is the width of its MLP, ``key_width`` that of keys and values.

    ``mlp_products`` is the number of matrices of an MLP: 3 with a gate, otherwise 2.
    """

    parameters: int
    layers: int
    width: int
    inner: int
    key_width: int
    vocabulary: int
    context: int
    mlp_products: int = 3

    @property
    def linear(self) -> int:
        """Number of weights of the linear layers: four of attention, and those of the MLP."""
        attention = 2 * self.width * self.width + 2 * self.width * self.key_width
        return self.layers * (attention + self.mlp_products * self.width * self.inner)

    def adapters(self, rank: int) -> int:
        """Number of weights of adapters on all linear layers: rank * (inputs + outputs) each."""
        attention = 4 * self.width + 2 * (self.width + self.key_width)
        return rank * self.layers * (attention + self.mlp_products * (self.width + self.inner))


def shape_of(config: Mapping[str, Any], parameters: int) -> ModelShape:
    """The sizes in a ``config.json`` of transformers, under any of the usual keys.

    Raises
    ------
    KeyError
        For a configuration without width, layers or vocabulary.
    """
    config = config.get("text_config") or config

    def size(*keys: str, default: int | None = None) -> int:
        """The first positive number under one of the keys."""
        for key in keys:
            if isinstance(value := config.get(key), int) and value > 0:
                return value
        if default is None:
            raise KeyError(keys[0])
        return default

    width = size("hidden_size", "n_embd", "d_model")
    heads = size("num_attention_heads", "n_head", "num_heads", default=1)
    keys = size("num_key_value_heads", default=heads) * size("head_dim", default=max(1, width // heads))
    gated = "silu" in str(config.get("hidden_act")) or "gelu_pytorch_tanh" in str(config.get("hidden_activation"))
    return ModelShape(
        parameters=parameters,
        layers=size("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
        width=width,
        inner=size("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", default=4 * width),
        key_width=keys,
        vocabulary=size("vocab_size"),
        context=size("max_position_embeddings", "n_positions", "max_seq_len", default=1 << 20),
        mlp_products=3 if gated else 2,
    )


def memory_needs(shape: ModelShape, tokens: int = BATCH_TOKENS, rank: int = RANK) -> MemoryNeeds:
    """Peak memory in bytes of training and scoring in fp32 on a CPU, without the libraries.

    With P parameters, A those of adapters, L those of linear layers, T tokens of a batch, width D, width of keys K,
    inner width F and vocabulary V::

        full       4 P + 4 P + 8 P + activations                     weights, gradients, two moments of Adam
        lora       4 P + 16 A + activations + T * layers * 8 (6 D + F)
        qlora      as lora, with 0.516 L in place of 4 L, and one layer as 4 D F
        inference  4 P + scores + T * 4 (6 D + 3 F)
        activations = scores + T * layers * 4 (9 D + 2 K + (m + 1) F)

    Activations are what the backward pass of a layer reads: for each of two norms its input, the normalised input and
    the output; queries, keys, values and the output of attention; gate, activation, product and input of the MLP of m
    matrices. Adapters also keep their input after dropout and its mask, 4 bytes each. Scores are those of a block
    of the cross-entropy, ``4 min(T V, 2^24)``. Longer batches, other precisions and
    ``training.gradient_checkpointing`` change the activations alone.
    """
    scores = 4 * min(tokens * shape.vocabulary, SCORES)
    kept = 9 * shape.width + 2 * shape.key_width + (shape.mlp_products + 1) * shape.inner
    activations = scores + 4 * tokens * shape.layers * kept
    adapters = 16 * shape.adapters(rank) + 8 * tokens * shape.layers * (6 * shape.width + shape.inner)
    lora = 4 * shape.parameters + adapters + activations
    return MemoryNeeds(
        full=16 * shape.parameters + activations,
        lora=lora,
        qlora=lora - round((4 - NF4) * shape.linear) + 4 * shape.width * shape.inner,
        inference=4 * shape.parameters + scores + 4 * tokens * (6 * shape.width + 3 * shape.inner),
    )
