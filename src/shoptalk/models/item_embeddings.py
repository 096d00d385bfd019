"""Adding item tokens to a language model, or continuing those of a saved model."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from shoptalk.errors import ModelError
from shoptalk.models.bases import read_card
from shoptalk.models.items import ItemTokens, load_items
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.tokenizer import load_tokenizer
from shoptalk.schema import ITEM_OPENS


def with_items(
    model: LanguageModel,
    ids: Sequence[str],
    text_vectors: NDArray[np.float32] | None,
    has_interactions: NDArray[np.bool_],
    dropout: float,
) -> LanguageModel:
    """The model with a token for each of I items, with embeddings built from their text; see `ItemTokens`.

    In a nano model the output projections of all layers start at zero, so that hidden states equal the input
    embeddings: before the first step, the highest scores belong to the items with the most similar text.

    Parameters
    ----------
    text_vectors
        (I, E) vectors of the items' text; None for randomly initialised embeddings without text.
    has_interactions
        (I,) which items have training interactions.
    dropout
        Probability that an item is used without its residual in a training step.
    """
    token_ids = model.tokenizer.add_names(ITEM_OPENS, ids)
    first = token_ids[0] if token_ids else model.tokenizer.size
    if token_ids != list(range(first, model.tokenizer.size)):
        raise ModelError("the tokenizer does not give new tokens consecutive ids", hint="choose another base")
    layer = model.network.get_input_embeddings()
    weight = layer.weight
    is_nano = model.base == "nano"
    length = 1.0 if is_nano or weight.shape[1] == 0 else _mean_norm(layer)
    vectors = torch.zeros(len(ids), 1) if text_vectors is None else torch.from_numpy(text_vectors)
    items = ItemTokens(
        ids,
        first,
        vectors,
        torch.from_numpy(has_interactions),
        weight.shape[1],
        dropout=0 if text_vectors is None else dropout,
        length=length,
    )
    if text_vectors is None:
        nn.init.normal_(items.residual, std=weight.shape[1] ** -0.5)
    if is_nano:
        for layer in model.decoder.layers:
            nn.init.zeros_(layer.self_attn.o_proj.weight)
            nn.init.zeros_(layer.mlp.down_proj.weight)
    return replace(model, items=items.to(model.device))


@torch.no_grad()
def _mean_norm(layer: nn.Module) -> float:
    """Mean norm of the outputs of an embedding layer; some layers scale their weights (Gemma 3)."""
    weight: Any = layer.weight
    return float(layer(torch.arange(len(weight), device=weight.device)).float().norm(dim=1).mean())


def continue_items(model: LanguageModel, folder: Path) -> LanguageModel:
    """The model with the item tokens of a saved model: the parameters of all items with the same id are copied.

    The projection and the scale of embeddings are copied too, so both need the same text encoder.

    Raises
    ------
    ModelError
        When the projections have different shapes.
    """
    items = model.items
    assert items is not None  # `with_items` made them
    card = read_card(folder)["items"]
    ids = load_tokenizer(str(folder)).names(int(card["first"]), int(card["count"]))
    saved = load_items(folder, ids, int(card["first"])).to(model.device)
    if saved.project.weight.shape != items.project.weight.shape:
        raise ModelError("the text vectors of the base have another size", where=str(folder), hint="use its encoder")
    index = {item: position for position, item in enumerate(ids)}
    pairs = [(target, index[item]) for target, item in enumerate(items.ids) if item in index]
    target, source = torch.tensor(pairs, dtype=torch.long, device=model.device).view(-1, 2).T
    with torch.no_grad():
        items.project.weight.copy_(saved.project.weight)
        items.residual[target], items.bias[target] = saved.residual[source], saved.bias[source]
        items.has_interactions[target] |= saved.has_interactions[source]
        items.length.copy_(saved.length)
    note = f"{len(pairs)} of {len(items.ids)} items continue from their embeddings in the base"
    return replace(model, notes=(*model.notes, note))
