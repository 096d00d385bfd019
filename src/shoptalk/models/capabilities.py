"""What differs between causal models: local attention, forms of attention masks, and what is done to logits.

Nothing here depends on the name of an architecture: windows and scales are read from the configuration of a model, and
whether a model supports a custom attention mask is tested on a short text (`follows_masks`).
"""

import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

#: Tokens of the continuation that `follows_masks` repeats, and tokens by which its text exceeds a window.
BRANCH, BEYOND = 3, 9
#: Largest difference of two computations of the same states, as a share of their largest absolute value.
#: In full precision, and where weights have fewer bits.
TOLERANCE, COARSE_TOLERANCE = 1e-4, 5e-2
#: For each decoder, whether it follows masks on texts within (false) and beyond (true) the reach of local attention.
_MEASURED: WeakKeyDictionary[nn.Module, dict[bool, bool]] = WeakKeyDictionary()
#: Errors that transformers raises for a model without support of custom masks.
FAILURES = (TypeError, ValueError, RuntimeError, AttributeError, LookupError)


@dataclass(frozen=True, slots=True)
class LocalAttention:
    """The earlier positions that a layer attends to.

    Parameters
    ----------
    window
        The position itself and the ``window - 1`` before it; 0 for all.
    chunk
        Positions with the same quotient by ``chunk``; 0 for all.
    """

    window: int = 0
    chunk: int = 0

    @property
    def reach(self) -> float:
        """Longest text in which every position sees all earlier ones."""
        return self.window or self.chunk or math.inf

    def within(self, query: Tensor, key: Tensor) -> Tensor:
        """(B, T, S): whether positions ``query`` (B, T) may attend to positions ``key`` (B, S), in any order."""
        if self.window:
            return query[:, :, None] - key[:, None] < self.window
        if self.chunk:
            return query[:, :, None].div(self.chunk, rounding_mode="floor") == key[:, None].div(
                self.chunk, rounding_mode="floor"
            )
        return torch.ones((), dtype=torch.bool, device=query.device).expand(*query.shape, key.shape[1])


def local_attention(config: Any) -> dict[str, LocalAttention]:
    """The reach of each kind of layer that a configuration names; kinds without attention are left out."""
    config = config.get_text_config()
    window = int(getattr(config, "sliding_window", None) or 0)
    chunk = int(getattr(config, "attention_chunk_size", None) or 0)
    by_kind = {
        "full_attention": LocalAttention(),
        "sliding_attention": LocalAttention(window=window),
        "chunked_attention": LocalAttention(chunk=chunk),
    }
    if kinds := getattr(config, "layer_types", None):
        return {kind: by_kind[kind] for kind in dict.fromkeys(kinds) if kind in by_kind}
    return {"sliding_attention" if window else "full_attention": LocalAttention(window=window)}


def shortest_reach(config: Any) -> float:
    """Longest text that every layer sees in full, so that local attention changes nothing; infinity without any."""
    reach = min((kind.reach for kind in local_attention(config).values()), default=math.inf)
    text = config.get_text_config()
    if "local" in (getattr(text, "attention_layers", None) or ()):  # GPT-Neo
        reach = min(reach, int(text.window_size))
    return reach


def layer_masks(
    config: Any, implementation: str, allowed: Tensor, query: Tensor, key: Tensor, dtype: torch.dtype
) -> Tensor | dict[str, Tensor]:
    """The masks that a model's layers need, given which tokens belong to the same text.

    Parameters
    ----------
    implementation
        The model's attention; ``eager`` adds the mask to its scores, any other reads it as true where allowed.
    allowed
        (B, 1, T, S) true where attention is allowed, but for the reach of local layers.
    query, key
        (B, T) and (B, S) positions of the tokens in their texts.
    dtype
        Of a mask that is added.

    Returns
    -------
    Tensor or dict
        (B, 1, T, S) where all layers are of one kind, and otherwise one such mask for each kind of layer.
    """
    masks = {}
    for kind, local in local_attention(config).items():
        mask = allowed if math.isinf(local.reach) else allowed & local.within(query, key)[:, None]
        if implementation == "eager":
            added = torch.zeros(mask.shape, dtype=dtype, device=mask.device)
            mask = added.masked_fill(~mask, torch.finfo(dtype).min)
        masks[kind] = mask
    return next(iter(masks.values())) if len(masks) == 1 else masks


class Measured(Protocol):
    """What is needed of a `shoptalk.models.language_model.LanguageModel` to measure it."""

    @property
    def network(self) -> Any: ...  # noqa: D102
    @property
    def items(self) -> Any: ...  # noqa: D102
    @property
    def decoder(self) -> Any: ...  # noqa: D102
    @property
    def device(self) -> torch.device: ...  # noqa: D102
    def autocast(self) -> torch.autocast: ...  # noqa: D102
    def train(self, mode: bool = True) -> None: ...  # noqa: D102
    def hidden(self, ids: Tensor, positions: Tensor | None = None, mask: Tensor | None = None) -> Tensor: ...  # noqa: D102


def cache_argument(decoder: nn.Module) -> str:
    """Under which name a decoder takes a cache: it was renamed within version 5 of the library."""
    return "cache" if "cache" in inspect.signature(decoder.forward).parameters else "past_key_values"


def reads_trees(model: Measured, length: int) -> bool:
    """Whether several continuations of a text can share one row of ``length`` tokens, by means of a tree mask.

    Tested once on a text that all layers see in full, and once on a text longer than the reach of local attention when
    rows get that long.
    """
    reach = shortest_reach(model.network.config)
    beyond = length > reach
    results = _MEASURED.setdefault(model.decoder, {})
    if beyond not in results:
        # A decoder without position ids cannot compute a tree.
        names = inspect.signature(model.decoder.forward).parameters.keys()
        sample = reach + BEYOND if beyond else min(reach, 16) - BRANCH  # the row holds the branch once more
        results[beyond] = {"position_ids", "attention_mask"} <= names and follows_masks(
            model, max(int(sample), BRANCH + 1)
        )
    return results[beyond]


@torch.no_grad()
def follows_masks(model: Measured, length: int) -> bool:
    """Whether two continuations in one row, separated by a mask, get the same hidden states as the text alone.

    The last `BRANCH` of the text's ``length`` tokens are the continuation, which the row holds twice.
    """
    device, start = model.device, length - BRANCH
    ids = sample_ids(length, text_token_count(model), device)
    row = torch.cat([ids, ids[:, start:]], 1)
    positions = torch.cat([torch.arange(length), torch.arange(start, length)]).to(device)[None]
    allowed = torch.ones(length + BRANCH, length + BRANCH, dtype=torch.bool, device=device).tril()
    allowed[length:, start:length] = False
    with measuring(model):
        expected = model.hidden(ids)
        try:
            states = model.hidden(row, positions, allowed[None, None])
        except torch.OutOfMemoryError:
            raise
        except FAILURES:
            return False
    coarse = is_coarse(model)
    first, second = states[:, :length], states[:, length:]
    return agree(first, expected, coarse) and agree(second, expected[:, start:], coarse)


@contextmanager
def measuring(model: Measured) -> Iterator[None]:
    """A context without dropout, in full precision if the weights have it."""
    was_training = model.network.training
    model.train(False)
    try:
        with model.autocast() if is_coarse(model) else torch.autocast(model.device.type, enabled=False):
            yield
    finally:
        model.train(was_training)


def is_coarse(model: Measured) -> bool:
    """Whether some weights have fewer than 32 bits."""
    return any(parameter.dtype != torch.float32 for parameter in model.network.parameters())


def text_token_count(model: Measured) -> int:
    """How many token ids have a row in the embedding of the network (item tokens have their own)."""
    rows = int(model.network.get_input_embeddings().weight.shape[0])
    return rows if model.items is None else min(rows, int(model.items.first))


def sample_ids(length: int, vocabulary: int, device: torch.device) -> Tensor:
    """(1, T) ids in no regular order."""
    return (torch.arange(length, device=device) * 7919 + 11).remainder(vocabulary)[None]


def agree(left: Tensor, right: Tensor, coarse: bool) -> bool:
    """Whether two computations of the same states or logits differ by rounding alone."""
    left, right = left.float(), right.float()
    tolerance = COARSE_TOLERANCE if coarse else TOLERANCE
    return bool((left - right).abs().max() <= tolerance * right.abs().max())


@dataclass(frozen=True, slots=True)
class LogitTransform:
    """How a model transforms the output of its output layer: ``cap * tanh(scale * output / cap)``.

    Parameters
    ----------
    scale
        A factor (Cohere, Granite).
    cap
        Largest absolute logit (Gemma 2); 0 for no cap.
    """

    scale: float = 1.0
    cap: float = 0.0

    def __call__(self, logits: Tensor) -> Tensor:
        """Transform logits of any shape."""
        if self.scale != 1:
            logits = logits * self.scale
        return torch.tanh(logits / self.cap) * self.cap if self.cap else logits


def logit_transform(network: nn.Module) -> LogitTransform:
    """The transform that a causal model declares, by ``logit_scale``, ``logits_scaling`` and the like."""
    config: Any = network.config
    config = config.get_text_config()
    scale = 1.0
    factor = getattr(network, "logit_scale", None)  # of the model: MPT's configuration has one that it never uses
    if isinstance(factor, float | int):
        scale *= factor
    scale /= getattr(config, "logits_scaling", None) or 1.0
    scale *= getattr(config, "lm_head_multiplier", None) or 1.0
    return LogitTransform(scale, float(getattr(config, "final_logit_softcapping", None) or 0.0))
