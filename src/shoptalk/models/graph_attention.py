"""Graph attention: a bias of the attention logits from the relations of users and items in the training purchases.

    softmax(Q K' / sqrt(d) + mask + B) V          B[q, k] = b(relation of the nodes of tokens q and k)

Tokens of items and users are nodes of the `UserItemGraph`; B is 0 where q or k is another token. In the published form
(Wang et al. 2024, arXiv 2402.09617) b is a fixed weight, the same in all layers and heads. In the learned form it is a
sum of learned scalars, one for each relation, head and layer, which are 0 at the start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shoptalk.graph.node_pairs import RELATIONS, NodePairs, constant_weights, published_weights, relation_table
from shoptalk.graph.user_items import UserItemGraph
from shoptalk.recipe import GraphForm

#: The name of the argument with which decoders get a `GraphBias`.
ARGUMENT = "graph_bias"


@dataclass(frozen=True)
class GraphBias:
    """The bias of the pairs of T query tokens and S key tokens of each of B rows, in all layers.

    Attributes
    ----------
    shape
        (B, T, S).
    values
        (B, 1, T, S) the bias of all layers and heads, in the forms without learned scalars; else None.
    relations
        (R, B * T * S) whether a pair has a relation, in the learned form; else None.
    scalars
        (L, H, R) the learned scalars of that form; L is 1 where all layers share them.
    """

    shape: tuple[int, int, int]
    values: Tensor | None = None
    relations: Tensor | None = None
    scalars: Tensor | None = None
    _masks: dict[int, tuple[Tensor | None, Tensor]] = field(default_factory=dict)

    def of_layer(self, layer: int) -> Tensor:
        """(B, H, T, S) the bias of a layer, or (B, 1, T, S) where all heads have the same."""
        if self.values is not None:
            return self.values
        assert self.scalars is not None
        assert self.relations is not None
        scalars = self.scalars[layer if len(self.scalars) > 1 else 0]
        batch, queries, keys = self.shape
        return (scalars @ self.relations).view(-1, batch, queries, keys).transpose(0, 1)

    def mask(self, layer: int, attention_mask: Tensor | None) -> Tensor:
        """The bias of a layer with minus infinity where attention is not allowed, to be added to the logits.

        Parameters
        ----------
        layer
            Index of the layer.
        attention_mask
            (B or 1, 1, T, S) true where attention is allowed, or values to be added; without it attention is causal,
            and the queries are the last T of the S tokens.

        Returns
        -------
        Tensor
            (B, H or 1, T, S) float.
        """
        if self.values is None:
            return self._combined(self.of_layer(layer), attention_mask)
        known = self._masks.get(id(attention_mask))
        if known is None:  # the mask is held, so that no other gets its id
            known = self._masks[id(attention_mask)] = (attention_mask, self._combined(self.values, attention_mask))
        return known[1]

    def _combined(self, bias: Tensor, attention_mask: Tensor | None) -> Tensor:
        """A bias (B, H, T, S) together with a mask."""
        if attention_mask is None:
            attention_mask = self._causal
        if attention_mask.dtype == torch.bool:
            attention_mask = torch.zeros((), device=bias.device).masked_fill(~attention_mask, -torch.inf)
        return bias + attention_mask

    @cached_property
    def _causal(self) -> Tensor:
        """(T, S) values to be added to the logits of causal attention."""
        _, queries, keys = self.shape
        device = self.values.device if self.values is not None else self.relations.device  # type: ignore[union-attr]
        return torch.full((queries, keys), -torch.inf, device=device).triu(keys - queries + 1)


class GraphAttention(nn.Module):
    """The bias of a model's attention.

    Parameters
    ----------
    form
        ``ones``, ``published``, ``learned``, or ``all-edges``: see ``model.graph_attention``.
    graph
        The graph.
    node_of_token
        (V,) the node of each token id, -1 for tokens that are no users or items.
    layers, heads
        Number of layers and of attention heads of the model.

    Attributes
    ----------
    scalars
        (L, H, R) learned scalars of the `RELATIONS`, 0 at the start; None in the other forms.
    through_masks
        Whether the model gets its bias as an attention mask: it is then the same in all layers. Otherwise it gets a
        `GraphBias` as the argument `ARGUMENT` of its attention.
    """

    scalars: nn.Parameter | None
    table: Tensor

    def __init__(
        self, form: GraphForm, graph: UserItemGraph, node_of_token: NDArray[np.int64], layers: int, heads: int
    ) -> None:
        super().__init__()
        self.form, self.graph, self.node_of_token = form, graph, node_of_token
        self.pairs, self.through_masks = NodePairs(graph), False
        is_learned = form == "learned"
        self.scalars = nn.Parameter(torch.zeros(layers, heads, len(RELATIONS))) if is_learned else None
        weights = relation_table() if is_learned else constant_weights() if form == "ones" else published_weights()
        self.register_buffer("table", torch.from_numpy(weights), persistent=False)

    def share_layers(self) -> None:
        """Give the bias through masks, which all layers share."""
        self.through_masks = True
        if self.scalars is not None:
            self.scalars = nn.Parameter(self.scalars.detach()[:1].clone())

    def bias(self, query: Tensor, key: Tensor | None = None) -> GraphBias:
        """The bias of tokens ``query`` (B, T) that attend to tokens ``key`` (B, S), by default to themselves."""
        query_nodes = self._nodes(query)
        codes = (
            self.pairs.codes(query_nodes)
            if key is None or key is query
            else self.pairs.cross_codes(query_nodes, self._nodes(key))
        )
        index = torch.from_numpy(codes).to(query.device).int()
        batch, queries, keys = codes.shape
        shape = (batch, queries, keys)
        if self.scalars is None:
            return GraphBias(shape, values=self.table[index][:, None])
        return GraphBias(shape, relations=self.table[:, index.flatten()], scalars=self.scalars)

    def extended(self, graph: UserItemGraph, node_of_token: NDArray[np.int64]) -> "GraphAttention":
        """The same bias with a graph that has more items, and the nodes of its tokens."""
        layers, heads = self.scalars.shape[:2] if self.scalars is not None else (1, 1)
        extended = GraphAttention(self.form, graph, node_of_token, layers, heads)
        extended.through_masks = self.through_masks
        if self.scalars is not None and extended.scalars is not None:
            extended.scalars.data.copy_(self.scalars.data)
        return extended.to(self.table.device).train(self.training)

    def _nodes(self, ids: Tensor) -> NDArray[np.int64]:
        """The nodes of token ids (B, T); -1 for tokens that are no users or items."""
        return self.node_of_token[ids.cpu().numpy()]


def nodes_of_tokens(
    graph: UserItemGraph, size: int, item_tokens: Sequence[int], user_tokens: Mapping[int, int]
) -> NDArray[np.int64]:
    """(V,) the node of each token id, -1 for others.

    Parameters
    ----------
    size
        Least V; it is larger where the vocabulary is.
    item_tokens
        The token ids of the I items, in their order.
    user_tokens
        Token id to index of the user.
    """
    nodes = np.full(max(size, max(item_tokens, default=0) + 1), -1, dtype=np.int64)
    nodes[np.array(item_tokens, dtype=np.int64)] = graph.user_count + np.arange(len(item_tokens))
    if user_tokens:
        nodes[np.array(list(user_tokens))] = np.array(list(user_tokens.values()))
    return nodes


def add_to_masks(bias: Tensor, masks: Tensor | Mapping[str, Tensor]) -> Tensor | dict[str, Tensor]:
    """A bias (B, H, T, S) added to the additive masks of a model's layers, one for all or one for each kind."""
    if isinstance(masks, Tensor):
        return (masks + bias).to(masks.dtype)
    return {kind: (mask + bias).to(mask.dtype) for kind, mask in masks.items()}
