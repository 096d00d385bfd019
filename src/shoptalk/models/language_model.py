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
from shoptalk.models.graph_attention import ARGUMENT, GraphAttention, GraphBias, add_to_masks
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
    graph: GraphAttention | None = None

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
        modules = [self.network, *(module for _, module in self._additions)]
        counts = [(_count(p), p.requires_grad) for module in modules for p in module.parameters()]
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
        """The parameters that training changes, by name.

        Those of the item tokens begin with ``items.``, those of graph attention with ``graph.``.
        """
        named = {name: p for name, p in self.network.named_parameters() if p.requires_grad}
        for prefix, module in self._additions:
            named |= {f"{prefix}.{name}": p for name, p in module.named_parameters() if p.requires_grad}
        return named

    def train(self, mode: bool = True) -> None:
        """Set training or evaluation mode of network, item tokens and graph attention."""
        self.network.train(mode)
        for _, module in self._additions:
            module.train(mode)

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
        inputs = self.with_graph_bias(inputs, ids)
        return self.decoder(**inputs, use_cache=False, return_dict=True).last_hidden_state

    def tree_arguments(self, allowed: Tensor, query: Tensor, key: Tensor) -> dict[str, Any]:
        """Decoder arguments for tokens (B, T) at positions ``query`` that attend to tokens (B, S) at positions ``key``.

        ``allowed`` (B, 1, T, S) is true where tokens belong to one text; the local attention of each layer is applied
        too.
        """
        is_additive = self.graph is not None and self.graph.through_masks
        implementation = "eager" if is_additive else self.network.config._attn_implementation
        return {"position_ids": query, "attention_mask": self._masks(implementation, allowed, query, key)}

    def with_graph_bias(self, inputs: dict[str, Any], query: Tensor, key: Tensor | None = None) -> dict[str, Any]:
        """Decoder arguments with the bias of graph attention; unchanged for a model without it.

        Parameters
        ----------
        inputs
            The other arguments; a mask among them comes from `tree_arguments`.
        query
            (B, T) ids of the tokens that are computed.
        key
            (B, S) ids of the tokens that they attend to, those in a cache first; by default the same.
        """
        if self.graph is None:
            return inputs
        return self.biased(inputs, self.graph.bias(query, key), through_masks=self.graph.through_masks)

    def biased(self, inputs: dict[str, Any], bias: GraphBias, *, through_masks: bool) -> dict[str, Any]:
        """Decoder arguments with a bias, as an argument of the attention or added to the masks."""
        if not through_masks:
            return {**inputs, ARGUMENT: bias}
        masks = inputs.get("attention_mask")
        if masks is None:
            batch, queries, keys = bias.shape
            key = torch.arange(keys, device=self.device).expand(batch, -1)
            query = key[:, keys - queries :]
            allowed = query[:, :, None] >= key[:, None]
            masks = self._masks("eager", allowed[:, None], query, key)
        return {**inputs, "attention_mask": add_to_masks(bias.of_layer(0), masks)}

    def _masks(self, implementation: str, allowed: Tensor, query: Tensor, key: Tensor) -> Tensor | dict[str, Tensor]:
        """The masks of all layers (see `layer_masks`)."""
        dtype = self.network.get_input_embeddings().weight.dtype
        return layer_masks(self.network.config, implementation, allowed, query, key, dtype)

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
    def _additions(self) -> list[tuple[str, nn.Module]]:
        """The modules beside the network, by the beginning of their parameters' names."""
        modules: dict[str, nn.Module | None] = {"items": self.items, "graph": self.graph}
        return [(name, module) for name, module in modules.items() if module is not None]

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
