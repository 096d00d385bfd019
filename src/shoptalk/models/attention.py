"""Attention for training short texts on a processor.

PyTorch's own fused attention in bf16 has a slow gradient there: for 64 rows of 32 tokens it takes five times as long as
the three products and the softmax it stands for, and is faster only beyond 300 tokens, or where nothing is learned.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import dropout as drop
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

#: Under this name networks are loaded.
NAME = "shoptalk"
#: Most tokens of a row for which the products are faster than the fused form.
SHORT = 256
#: What changes attention and `sdpa` would leave out without a word: caps of its scores, and sinks.
UNKNOWN_TO_SDPA = ("softcap", "s_aux")
#: What may be said beside the tensors without changing what is computed; whatever else is said is left to `sdpa`.
HARMLESS = {"is_causal", "position_ids", "sliding_window", "use_cache"}


def attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **rest: Any,
) -> tuple[Tensor, None]:
    """What heads (B, T, H, D) gather from values (B, H', S, D) for queries (B, H, T, D), of a causal model.

    ``attention_mask`` (B or 1, H or 1, T, S) is true where attention is allowed; without it, up to the own place.

    Raises
    ------
    ValueError
        When a model wants what only its own attention computes.
    """
    if ignored := [name for name in UNKNOWN_TO_SDPA if rest.get(name) is not None]:
        raise ValueError(f"attention with {' and '.join(ignored)} must be computed by the model itself")
    length = query.shape[2]
    causal = getattr(module, "is_causal", True) and rest.get("is_causal") is not False
    plain = causal if attention_mask is None else attention_mask.dtype == torch.bool
    plain = plain and rest.keys() <= HARMLESS and length == key.shape[2] and length <= SHORT
    lower = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else value.dtype
    learning = query.requires_grad and query.device.type == "cpu" and lower == torch.bfloat16
    if not learning or not plain:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **rest)
    groups = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    allowed = attention_mask
    if allowed is None:
        allowed = torch.ones(length, length, dtype=torch.bool).tril()
    query = query * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    scores = query.to(lower) @ key.to(lower).transpose(2, 3)  # turning places has made them fp32
    fractions = drop(scores.masked_fill(~allowed, -torch.inf).softmax(dim=-1), dropout, module.training)
    return (fractions @ value.to(lower)).transpose(1, 2).contiguous(), None


def register() -> None:
    """Make it known to transformers under `NAME`; what is known already stays."""
    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def use_own(network: Any) -> None:
    """Let a network compute attention by `attention`, if it computes it by `sdpa` and through the library's interface.

    One without a fused form (its scores have a bias or a cap) goes on computing attention in its own way, and so does
    one that has a fused form of its own.
    """
    if network.config._attn_implementation == "sdpa":
        register()
        network.set_attn_implementation(NAME)
