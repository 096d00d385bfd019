"""Adding graph attention to a language model, saving it and loading it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shoptalk.errors import ModelError
from shoptalk.graph.storage import FILE, load_graph, save_graph
from shoptalk.graph.user_items import UserItemGraph
from shoptalk.models import attention, capabilities
from shoptalk.models.bases import CARD, read_card
from shoptalk.models.graph_attention import GraphAttention, GraphBias, nodes_of_tokens
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.tokenizer import Tokenizer
from shoptalk.recipe import GraphForm
from shoptalk.schema import Catalogue, item_token, user_token

#: Length of the text on which a model is tested, the range of a random bias there, and a bias that hides a token.
TEST_LENGTH, TEST_RANGE, HIDING = 12, 4.0, -1e4


def with_graph(
    model: LanguageModel, form: GraphForm, graph: UserItemGraph, users: Sequence[str], items: Sequence[str]
) -> LanguageModel:
    """The model with graph attention.

    Parameters
    ----------
    form
        See ``model.graph_attention``.
    graph
        The graph; U users and I items.
    users, items
        The ids of its users and items, in the order of the nodes. Those of them that have a token are nodes.

    Raises
    ------
    ModelError
        When the architecture supports no bias of its attention.
    """
    config = model.network.config.get_text_config()
    heads = getattr(config, "num_attention_heads", None)
    if heads is None:
        raise ModelError(f"{model.base} has no attention heads, and so no graph attention", hint="choose another base")
    tokens = model.tokenizer.hugging_face.get_added_vocab()
    user_tokens = {tokens[user_token(user)]: index for index, user in enumerate(users) if user_token(user) in tokens}
    item_tokens = [int(tokens[item_token(item)]) for item in items]
    nodes = nodes_of_tokens(graph, _vocabulary(model.network, model.tokenizer), item_tokens, user_tokens)
    graph_attention = GraphAttention(form, graph, nodes, int(config.num_hidden_layers), int(heads))
    if model.base != "nano" and _needs_masks(model):  # nano is a Llama; with item tokens its layers begin at zero
        graph_attention.share_layers()
    return replace(model, graph=graph_attention.to(model.device))


def continue_graph(model: LanguageModel, folder: Path) -> LanguageModel:
    """The model with the learned scalars of a saved model from which it continues, where both have them.

    A note says so; another says that a base which was trained with graph attention goes on without it.

    Raises
    ------
    ModelError
        When the scalars belong to another number of layers or heads.
    """
    card = read_card(folder).get("graph") if (folder / CARD).exists() else None
    if card is None:
        return model
    if model.graph is None:
        note = f"the base was trained with graph attention ({card['form']}), which this recipe leaves out"
        return replace(model, notes=(*model.notes, note))
    if card["form"] != "learned" or model.graph.scalars is None:
        return model
    saved = load_graph(folder)[1].get("scalars")
    if saved is None or saved.shape != tuple(model.graph.scalars.shape):
        raise ModelError("the scalars of graph attention have another shape", where=str(folder / FILE))
    with torch.no_grad():
        model.graph.scalars.copy_(torch.from_numpy(saved))
    return replace(model, notes=(*model.notes, "the scalars of graph attention continue from the base"))


def with_items_added(model: LanguageModel, catalogue: Catalogue) -> LanguageModel:
    """The model with a graph of all items of the catalogue, of which the last were added; nobody bought these."""
    if model.graph is None or model.items is None:
        return model
    graph = model.graph.graph.with_items(catalogue)
    first, count = model.items.first, len(model.items.ids)
    nodes = nodes_of_tokens(graph, len(model.graph.node_of_token), range(first, first + count), _users(model.graph))
    return replace(model, graph=model.graph.extended(graph, nodes))


def save_graph_attention(graph_attention: GraphAttention, folder: Path) -> dict[str, Any]:
    """Write the graph and the learned scalars into a folder; returns what the card of the model says about them."""
    users = _users(graph_attention)
    tokens = np.flatnonzero(graph_attention.node_of_token >= graph_attention.graph.user_count)
    other = {
        "item_tokens": tokens[np.argsort(graph_attention.node_of_token[tokens])].astype(np.int64),
        "user_tokens": np.array(list(users), dtype=np.int64),
        "user_nodes": np.array(list(users.values()), dtype=np.int64),
    }
    if graph_attention.scalars is not None:
        other["scalars"] = graph_attention.scalars.detach().float().cpu().numpy()
    save_graph(graph_attention.graph, other, folder)
    return {"form": graph_attention.form, "through_masks": graph_attention.through_masks}


def load_graph_attention(folder: Path, card: Mapping[str, Any], network: Any, tokenizer: Tokenizer) -> GraphAttention:
    """Graph attention as it was saved.

    Parameters
    ----------
    card
        What `save_graph_attention` returned.

    Raises
    ------
    ModelError
        When the file is missing or damaged.
    """
    config = network.config.get_text_config()
    graph, saved = load_graph(folder)
    try:
        user_tokens = dict(zip(saved["user_tokens"].tolist(), saved["user_nodes"].tolist(), strict=True))
        nodes = nodes_of_tokens(graph, _vocabulary(network, tokenizer), saved["item_tokens"].tolist(), user_tokens)
        layers, heads = int(config.num_hidden_layers), int(config.num_attention_heads)
        graph_attention = GraphAttention(card["form"], graph, nodes, layers, heads)
        if card["through_masks"]:
            graph_attention.share_layers()
        if graph_attention.scalars is not None:
            graph_attention.load_state_dict({"scalars": torch.from_numpy(saved["scalars"])})
    except (KeyError, RuntimeError, ValueError, IndexError) as error:
        raise ModelError(f"the graph is damaged: {error}", where=str(folder / FILE), hint="train again") from error
    return graph_attention.eval()


def _users(graph_attention: GraphAttention) -> dict[int, int]:
    """Token id to index of the users that have a token."""
    nodes = graph_attention.node_of_token
    tokens = np.flatnonzero((nodes >= 0) & (nodes < graph_attention.graph.user_count))
    return dict(zip(tokens.tolist(), nodes[tokens].tolist(), strict=True))


def _vocabulary(network: Any, tokenizer: Tokenizer) -> int:
    """The number of token ids, rows of the embedding without a token included."""
    return max(int(network.get_input_embeddings().weight.shape[0]), tokenizer.size)


def _needs_masks(model: LanguageModel) -> bool:
    """Whether a bias reaches the logits of a model as a mask only, and not as an argument of its attention.

    Raises
    ------
    ModelError
        When it does in neither way.
    """
    takes_argument = model.network.config._attn_implementation == attention.NAME
    with capabilities.measuring(model):
        if takes_argument and _follows_bias(model, through_masks=False):
            return False
        if _follows_bias(model, through_masks=True):
            return True
    raise ModelError(
        f"{model.base} supports no bias of its attention",
        hint='set model.graph_attention to "off", or choose another base',
    )


@torch.no_grad()
def _follows_bias(model: LanguageModel, *, through_masks: bool) -> bool:
    """Whether a bias has the effect that it should have, on a short text.

    A bias of zero must change nothing, a random one something, and with one that hides the first token, the states of
    the others must not depend on it.
    """
    ids = capabilities.sample_ids(TEST_LENGTH, capabilities.text_token_count(model), model.device)
    changed = torch.cat([ids[:, -1:], ids[:, 1:]], 1)
    shape = (1, TEST_LENGTH, TEST_LENGTH)
    zero = torch.zeros(1, int(model.network.config.get_text_config().num_attention_heads), *shape[1:])
    hiding = zero.clone()
    hiding[..., 1:, 0] = HIDING
    random = TEST_RANGE * torch.rand(zero.shape, generator=torch.Generator().manual_seed(0))

    def states(ids: Tensor, values: Tensor | None = None) -> Tensor:
        """The hidden states of token ids, with a bias of the attention or without."""
        inputs = {"input_ids": ids}
        if values is not None:
            bias = GraphBias(shape, values=values.to(model.device))
            inputs = model.biased(inputs, bias, through_masks=through_masks)
        hidden: Tensor = model.decoder(**inputs, use_cache=False, return_dict=True).last_hidden_state
        return hidden[:, 1:]

    def agree(left: Tensor, right: Tensor) -> bool:
        return capabilities.agree(left, right, capabilities.is_coarse(model))

    plain = states(ids)
    try:
        return (
            agree(states(ids, zero), plain)
            and not agree(states(ids, random), plain)
            and agree(states(ids, hiding), states(changed, hiding))
        )
    except capabilities.FAILURES:
        return False
