"""A causal language model with its tokenizer and item tokens, ready for training or scoring."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from shoptalk.models import capabilities
from shoptalk.models.bases import Base
from shoptalk.models.capabilities import LogitTransform, layer_masks, logit_transform
from shoptalk.models.dropout import dropout
from shoptalk.models.items import ItemTable, ItemTokens
from shoptalk.models.precision import DTYPES
from shoptalk.models.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A causal model with its tokenizer, ready for training or scoring."""

    network: Any
    tokenizer: Tokenizer
    base: str
    tuning: str
    precision: str
    items: ItemTokens | None = None
    dropout: float = 0.0
    origin: Base | None = None
    notes: tuple[str, ...] = ()

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.network.parameters()).device

    @property
    def longest(self) -> int:
        """Most tokens that the model can read."""
        config = self.network.config
        return int(getattr(config, "max_position_embeddings", 0) or getattr(config, "max_seq_len", 0) or 1 << 20)

    def parameters(self) -> dict[str, int | float]:
        """The number of parameters, of trainable ones, and their share (a byte of 4-bit weights counts as two)."""
        item_parameters = self.items.parameters() if self.items is not None else ()
        counts = [(_count(p), p.requires_grad) for p in (*self.network.parameters(), *item_parameters)]
        total = sum(count for count, _ in counts)
        trained = sum(count for count, trainable in counts if trainable)
        return {"parameters": total, "trainable": trained, "trainable_share": trained / total if total else 0.0}

    def autocast(self) -> torch.autocast:
        """The autocast context of the model's precision."""
        reduced = self.precision != "fp32"
        return torch.autocast(
            self.device.type, dtype=DTYPES[self.precision] if reduced else torch.bfloat16, enabled=reduced
        )

    def trainable_parameters(self) -> dict[str, nn.Parameter]:
        """The parameters that training changes, by name; those of the item tokens begin with ``items.``."""
        named = {name: p for name, p in self.network.named_parameters() if p.requires_grad}
        if self.items is not None:
            named |= {f"items.{name}": p for name, p in self.items.named_parameters() if p.requires_grad}
        return named

    def train(self, mode: bool = True) -> None:
        """Set training or evaluation mode of network and item tokens."""
        self.network.train(mode)
        if self.items is not None:
            self.items.train(mode)

    def hidden(
        self,
        ids: Tensor,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        table: ItemTable | None = None,
    ) -> Tensor:
        """Hidden states after the last layer, (B, T, D), for ids (B, T).

        Without ``positions`` (B, T) and ``mask`` (B, 1, T, T; true where attention is allowed) each row is one text.
        ``table`` holds the embeddings of the item tokens, if computed before. A mask needs a model that `reads_trees`.
        """
        inputs: dict[str, Tensor] = {"input_ids": ids}
        if self.items is not None:
            inputs = {"inputs_embeds": self._input_embeddings(ids, self.items, table or self.items.table())}
        if mask is not None and positions is not None:
            inputs |= self.tree_arguments(mask, positions, positions)
        return self.decoder(**inputs, use_cache=False, return_dict=True).last_hidden_state

    def tree_arguments(self, allowed: Tensor, query: Tensor, key: Tensor) -> dict[str, Any]:
        """Decoder arguments for tokens (B, T) at positions ``query`` that attend to tokens (B, S) at positions ``key``.

        ``allowed`` (B, 1, T, S) is true where tokens belong to one text; the local attention of each layer is applied
        too.
        """
        config = self.network.config
        dtype = self.network.get_input_embeddings().weight.dtype
        masks = layer_masks(config, config._attn_implementation, allowed, query, key, dtype)
        return {"position_ids": query, "attention_mask": masks}

    def reads_trees(self, length: int) -> bool:
        """Whether several continuations of a text can share one row of ``length`` tokens, by means of a tree mask.

        Other models (ALiBi, state-space layers) compute one continuation per row.
        """
        return capabilities.reads_trees(self, length)

    def logits(self, states: Tensor) -> Tensor:
        """Logits (..., V) of hidden states (..., D): the output layer, with the scale and cap of the model."""
        return self.logit_transform(self.head(states))

    def _input_embeddings(self, ids: Tensor, items: ItemTokens, table: ItemTable) -> Tensor:
        is_item = ids >= items.first
        text_embeddings = self.network.get_input_embeddings()(ids.masked_fill(is_item, 0))
        item_embeddings = embedding(table.rows_of((ids - items.first).clamp(min=0)), table.vectors) * items.length
        inputs_embeds = torch.where(is_item[..., None], item_embeddings.to(text_embeddings.dtype), text_embeddings)
        return dropout(inputs_embeds, self.dropout, self.network.training)

    @property
    def decoder(self) -> Any:
        """The layers below the output layer."""
        return getattr(self.base_model, self.base_model.base_model_prefix)

    @property
    def head(self) -> nn.Module:
        """The output layer: hidden states to logits before the `logit_transform`."""
        return self.network.get_output_embeddings()

    @property
    def logit_transform(self) -> LogitTransform:
        """How the model transforms the output of its output layer."""
        return logit_transform(self.base_model)

    @property
    def base_model(self) -> Any:
        """The network without the PEFT wrapper."""
        return self.network.get_base_model() if hasattr(self.network, "get_base_model") else self.network


def _count(parameter: nn.Parameter) -> int:
    """Parameters in a tensor; 4-bit weights are stored two to a byte."""
    return parameter.numel() * (2 if parameter.dtype == torch.uint8 else 1)
