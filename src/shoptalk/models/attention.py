"""Attention for training on short texts on a CPU.

The backward pass of PyTorch's fused attention in bf16 is slow on a CPU: for 64 rows of 32 tokens it takes five times as
long as the unfused matrix products and softmax. It is faster only above 300 tokens, or without gradients.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import dropout as torch_dropout
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from shoptalk.models.graph_attention import GraphBias

#: The attention implementation with which networks are loaded.
NAME = "shoptalk"
#: Longest row, in tokens, for which unfused products are faster than the fused form.
SHORT = 256
#: Arguments that change attention and that `sdpa` would silently ignore: soft caps of the scores, attention sinks.
UNKNOWN_TO_SDPA = ("softcap", "s_aux")
#: Keyword arguments that do not change what is computed here; a call with any other goes to `sdpa`.
HARMLESS = {"is_causal", "position_ids", "sliding_window", "use_cache"}


def attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    graph_bias: GraphBias | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention output (B, T, H, D) of a causal model for queries (B, H, T, D) and keys and values (B, H', S, D).

    ``attention_mask`` (B or 1, H or 1, T, S) is true where attention is allowed, or added to the logits; without it
    attention is causal. ``graph_bias`` is added to the logits too.

    Raises
    ------
    ValueError
        For arguments that only the attention of the model itself supports.
    """
    if ignored := [name for name in UNKNOWN_TO_SDPA if kwargs.get(name) is not None]:
        raise ValueError(f"attention with {' and '.join(ignored)} must be computed by the model itself")
    if graph_bias is not None:
        attention_mask = graph_bias.mask(module.layer_idx, attention_mask)
    length = query.shape[2]
    causal = getattr(module, "is_causal", True) and kwargs.get("is_causal") is not False
    supported = causal or attention_mask is not None
    supported = supported and kwargs.keys() <= HARMLESS and length == key.shape[2] and length <= SHORT
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else value.dtype
    learns = query.requires_grad and query.device.type == "cpu"
    # The fused form has no gradient of a mask.
    is_slow_when_fused = dtype == torch.bfloat16 or (attention_mask is not None and attention_mask.requires_grad)
    if not (learns and is_slow_when_fused) or not supported:
        if attention_mask is not None and attention_mask.dtype != torch.bool:
            attention_mask = attention_mask.to(query.dtype)
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)
    groups = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    allowed = attention_mask
    if allowed is None:
        allowed = torch.ones(length, length, dtype=torch.bool).tril()
    query = query * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    scores = query.to(dtype) @ key.to(dtype).transpose(2, 3)  # rotary embeddings returned fp32
    scores = scores.masked_fill(~allowed, -torch.inf) if allowed.dtype == torch.bool else scores + allowed.to(dtype)
    weights = torch_dropout(scores.softmax(dim=-1), dropout, module.training)
    return (weights @ value.to(dtype)).transpose(1, 2).contiguous(), None


def register() -> None:
    """Register `attention` with transformers under `NAME`; other implementations stay as they are."""
    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def use_attention(network: Any) -> None:
    """Switch a network from `sdpa` to `attention`.

    A network with another implementation keeps it: eager, because its scores have a bias or a cap, or one of its own.
    """
    if network.config._attn_implementation == "sdpa":
        register()
        network.set_attn_implementation(NAME)
