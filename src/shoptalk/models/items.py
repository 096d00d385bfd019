"""Item tokens: every item is one token whose embedding is told by its own words.

embedding = projection of the text encoder's vector + a learned part. The learned part is exactly zero for an item
without training interactions, so an item that was listed today stands where its words put it. Input and output share
the embedding. At the start the projection keeps lengths and angles and the learned part is zero: an untrained model
already ranks by the likeness of words, and training begins there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import embedding

from shoptalk.errors import ModelError

FILE = "items.safetensors"


@dataclass(frozen=True, slots=True)
class ItemTable:
    """Embeddings (n, D) and biases (n,) of all items, or of some: then ``at`` (I,) is the place of each among them."""

    vectors: Tensor
    biases: Tensor
    at: Tensor | None = None

    def find(self, indices: Tensor) -> Tensor:
        """Rows of the table for items by their places in the catalogue."""
        return indices if self.at is None else self.at[indices]


class ItemTokens(nn.Module):
    """Embeddings of I items for a backbone of width D.

    Parameters
    ----------
    ids
        The items, in the order of their tokens.
    first
        Token id of the first; the others follow it.
    text_vectors
        (I, E) vectors of the items' words, of unit length or zero.
    has_interactions
        (I,) which items have training interactions.
    width
        D.
    dropout
        Share of the items that are without their learned part in a training step, so that words carry what they can.
    length
        Of an embedding as the backbone reads it: that of the base's own word embeddings.

    Attributes
    ----------
    residual, bias
        (I, D) and (I,), both zero at the start.
    """

    text_vectors: Tensor
    has_interactions: Tensor
    length: Tensor

    def __init__(
        self,
        ids: Sequence[str],
        first: int,
        text: Tensor,
        known: Tensor,
        width: int,
        *,
        dropout: float = 0.0,
        length: float = 1.0,
    ) -> None:
        super().__init__()
        self.ids, self.first, self.dropout = tuple(ids), first, dropout
        self.register_buffer("text_vectors", text.float())
        self.register_buffer("has_interactions", known.bool())
        self.project = nn.Linear(text.shape[1], width, bias=False)
        nn.init.orthogonal_(self.project.weight) if text.shape[1] != width else nn.init.eye_(self.project.weight)
        self.residual = nn.Parameter(torch.zeros(len(self.ids), width))
        self.bias = nn.Parameter(torch.zeros(len(self.ids)))
        self.register_buffer("length", torch.tensor(float(length)))

    @property
    def seen(self) -> frozenset[str]:
        """Items with training interactions."""
        return frozenset(item for item, known in zip(self.ids, self.has_interactions.tolist(), strict=True) if known)

    def table(self) -> ItemTable:
        """The table of all items; in training, some are without their learned part."""
        return ItemTable(*self._made(self.text_vectors, self.residual, self.bias, self.has_interactions))

    def rows(self, indices: Tensor) -> ItemTable:
        """The table of n items alone, by their places (each once)."""
        at = torch.zeros(len(self.ids), dtype=torch.long, device=indices.device)
        at[indices] = torch.arange(len(indices), device=indices.device)
        made = self._made(
            self.text_vectors[indices],
            embedding(indices, self.residual),
            self.bias[indices],
            self.has_interactions[indices],
        )
        return ItemTable(*made, at)

    def _made(self, text: Tensor, learned: Tensor, bias: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        kept = known
        if self.training and self.dropout:
            kept = kept & (torch.rand(len(kept), device=kept.device) >= self.dropout)
        share = kept.to(learned.dtype)
        return torch.addcmul(self.project(text).to(learned.dtype), learned, share[:, None]), bias * share

    def extended(self, ids: Sequence[str], text: Tensor) -> "ItemTokens":
        """The same items and new ones after them, which are told by their words alone."""
        new = torch.zeros(len(ids), dtype=torch.bool, device=self.has_interactions.device)
        made = ItemTokens(
            (*self.ids, *ids),
            self.first,
            torch.cat([self.text_vectors, text.to(self.text_vectors)]),
            torch.cat([self.has_interactions, new]),
            self.residual.shape[1],
            dropout=self.dropout,
            length=float(self.length),
        )
        with torch.no_grad():
            made.project.weight.copy_(self.project.weight)
            made.residual[: len(self.ids)] = self.residual
            made.bias[: len(self.ids)] = self.bias
        return made.to(self.text_vectors.device).train(self.training)


def save_items(items: ItemTokens, folder: Path) -> None:
    """Write the embeddings' parts; the ids are the tokenizer's own."""
    save_file({name: tensor.contiguous() for name, tensor in items.state_dict().items()}, folder / FILE)


def load_items(folder: Path, ids: Sequence[str], first: int) -> ItemTokens:
    """Item tokens as they were saved.

    Raises
    ------
    ModelError
        When a part is missing or does not fit.
    """
    try:
        saved = load_file(folder / FILE)
        items = ItemTokens(ids, first, saved["text_vectors"], saved["has_interactions"], saved["residual"].shape[1])
        items.load_state_dict(saved)
    except (OSError, KeyError, RuntimeError, ValueError, SafetensorError) as error:
        raise ModelError(f"the item tokens are damaged: {error}", where=str(folder / FILE)) from error
    return items.eval()
