"""A saved `nano` model with item tokens in NumPy: it recommends for single histories without importing torch.

Importing torch and transformers takes seconds, the forward pass of a small model milliseconds. Larger models, batches
and training use `shoptalk.models.language_model`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from shoptalk.constants import LARGE_CATALOGUE
from shoptalk.errors import ModelError
from shoptalk.models.bases import CARD, check_names, item_range, read_card
from shoptalk.models.mapped import map_tensors
from shoptalk.models.numpy_llama import NumpyLlama, is_supported
from shoptalk.models.tokenizer import Tokenizer, load_plain_tokenizer
from shoptalk.models.weights import check_finite
from shoptalk.schema import ITEM_OPENS

Floats = NDArray[np.float32]

ITEMS = "items.safetensors"
#: Files of a model whose every part is read by this module, by `load_transition_text`, or by neither.
_FILES = {
    CARD,
    ITEMS,
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "chat_template.jinja",
    "tokenizer.json",
    "tokenizer_config.json",
    "encoder.json",
    "encoder.safetensors",
    "transition_text.json",
    "transition_text.safetensors",
    "second_stage.json",
    "second_stage.lightgbm.txt",
    "second_stage.safetensors",
    "new_items.parquet",
}


@dataclass(frozen=True, slots=True)
class NumpyModel:
    """A model with item tokens, for scoring.

    Attributes
    ----------
    network
        The layers.
    tokenizer
        Its tokenizer, without a chat template.
    ids, first
        The I items in the order of their tokens, and the token id of the first.
    vectors, biases
        (I, D) output embeddings of the items, and (I,) their biases.
    length
        Scale of the input embeddings of items.
    projection
        (D, E) projection of the vector of an item's text.
    """

    network: NumpyLlama
    tokenizer: Tokenizer
    ids: Sequence[str]
    first: int
    vectors: Floats
    biases: Floats
    length: float
    projection: Floats

    @property
    def longest(self) -> int:
        """Most tokens that the model can read."""
        return int(self.network.config["max_position_embeddings"])

    def states(self, texts: Sequence[Sequence[int]]) -> Floats:
        """The hidden states (B, D) at the ends of B texts of at least one token each."""
        return self.network.last([self._embedded(tokens) for tokens in texts])

    def _embedded(self, tokens: Sequence[int]) -> Floats:
        """(T, D) input embeddings of tokens."""
        tokens_array = np.asarray(tokens, dtype=np.int64)
        is_item = tokens_array >= self.first
        embeddings = self.network.token_embeddings[np.where(is_item, 0, tokens_array)]
        embeddings[is_item] = self.vectors[tokens_array[is_item] - self.first] * np.float32(self.length)
        return embeddings

    def extended(self, ids: Sequence[str], text_vectors: Floats) -> "NumpyModel":
        """The model with N cold-start items, whose embeddings are the projections of their text vectors (N, E)."""
        tokenizer = self.tokenizer.with_names(ITEM_OPENS, ids, self.first + len(self.ids))
        return replace(
            self,
            tokenizer=tokenizer,
            ids=(*self.ids, *ids),
            vectors=np.concatenate([self.vectors, text_vectors @ self.projection.T]),
            biases=np.concatenate([self.biases, np.zeros(len(ids), dtype=np.float32)]),
        )


def can_load_numpy_model(folder: Path) -> bool:
    """Whether `load_numpy_model` gives the same scores as `shoptalk.models.storage.load`.

    So it is for a fully trained `nano` model with item tokens, in a folder without other parts: items are scored in
    fp32 whatever the precision of the training.
    """
    card = read_card(folder)
    if (card.get("base"), card.get("tuning")) != ("nano", "full") or "items" not in card:
        return False
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    # The index of a large catalogue needs torch.
    return names <= _FILES and item_range(card)[1] < LARGE_CATALOGUE and is_supported(folder)


def load_numpy_model(folder: Path) -> NumpyModel:
    """Load a saved model (see `can_load_numpy_model`).

    Raises
    ------
    ModelError
        When a file is damaged, or a weight is missing, NaN or infinite.
    """
    card = read_card(folder)
    first, count = item_range(card)
    tokenizer = load_plain_tokenizer(folder)
    check_names(card, tokenizer, folder)
    ids = tokenizer.names(first, count)
    try:
        network = NumpyLlama.load(folder)
        tensors = map_tensors(folder / ITEMS)
        if missing := sorted(set(network.tensor_names) - network.weights.keys()):
            raise ValueError(f"the weights lack {missing[0]}")
        check_finite(_not_finite(network.weights), str(folder))
        vectors, biases = _item_table(tensors, count)
        length, projection = float(tensors["length"]), tensors["project.weight"]
    except (OSError, KeyError, ValueError, TypeError, SafetensorError) as error:
        raise ModelError(f"the weights are damaged: {error}", where=str(folder), hint="train again") from error
    return NumpyModel(network, tokenizer, ids, first, vectors, biases, length, projection)


def _item_table(tensors: Mapping[str, NDArray[Any]], count: int) -> tuple[Floats, Floats]:
    """(I, D) embeddings and (I,) biases of the items, as in `shoptalk.models.items.ItemTokens`."""
    mask = tensors["has_interactions"].astype(np.float32)
    vectors = tensors["text_vectors"] @ tensors["project.weight"].T + tensors["residual"] * mask[:, None]
    biases = tensors["bias"] * mask
    if vectors.shape[0] != count or biases.shape != (count,):
        raise ValueError(f"{vectors.shape[0]} item embeddings for {count} items")
    return vectors, biases


def _not_finite(weights: Mapping[str, Floats]) -> list[str]:
    """The names of tensors with NaN or infinity."""
    return [name for name, tensor in weights.items() if not np.isfinite(tensor).all()]
