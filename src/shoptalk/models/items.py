"""Item tokens: every item is one token whose embedding is built from its text.

embedding = projection of the text vector + a learned residual. The residual is exactly zero for an item without
training interactions, so the embedding of a cold-start item depends on its text alone. Input and output embeddings are
tied. The projection is initialised orthogonal and the residual zero, so training starts from a model that ranks by the
similarity of texts.
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
    """Embeddings (n, D) and biases (n,) of all items, or of some: then ``row_of`` (I,) is the row of each of these."""

    vectors: Tensor
    biases: Tensor
    row_of: Tensor | None = None

    def rows_of(self, indices: Tensor) -> Tensor:
        """Rows of the table for item indices of the catalogue."""
        return indices if self.row_of is None else self.row_of[indices]


class ItemTokens(nn.Module):
    """Embeddings of I items for a model with hidden size D.

    Parameters
    ----------
    ids
        The items, in the order of their tokens.
    first
        Token id of the first; the others follow it.
    text_vectors
        (I, E) vectors of the items' texts, of unit length or zero.
    has_interactions
        (I,) which items have training interactions.
    width
        D.
    dropout
        Probability that an item is used without its residual in a training step, so that the projection learns too.
    length
        Scale of the input embeddings, the mean norm of the token embeddings of the base.

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
        text_vectors: Tensor,
        has_interactions: Tensor,
        width: int,
        *,
        dropout: float = 0.0,
        length: float = 1.0,
    ) -> None:
        super().__init__()
        self.ids, self.first, self.dropout = tuple(ids), first, dropout
        self.register_buffer("text_vectors", text_vectors.float())
        self.register_buffer("has_interactions", has_interactions.bool())
        self.project = nn.Linear(text_vectors.shape[1], width, bias=False)
        nn.init.orthogonal_(self.project.weight) if text_vectors.shape[1] != width else nn.init.eye_(
            self.project.weight
        )
        self.residual = nn.Parameter(torch.zeros(len(self.ids), width))
        self.bias = nn.Parameter(torch.zeros(len(self.ids)))
        self.register_buffer("length", torch.tensor(float(length)))

    @property
    def seen(self) -> frozenset[str]:
        """Items with training interactions."""
        return frozenset(item for item, seen in zip(self.ids, self.has_interactions.tolist(), strict=True) if seen)

    def table(self) -> ItemTable:
        """The table of all items; in training, some of them without their residual."""
        return ItemTable(*self._embeddings(self.text_vectors, self.residual, self.bias, self.has_interactions))

    def rows(self, indices: Tensor) -> ItemTable:
        """The table of n items alone, by their distinct indices."""
        row_of = torch.zeros(len(self.ids), dtype=torch.long, device=indices.device)
        row_of[indices] = torch.arange(len(indices), device=indices.device)
        values = self._embeddings(
            self.text_vectors[indices],
            embedding(indices, self.residual),
            self.bias[indices],
            self.has_interactions[indices],
        )
        return ItemTable(*values, row_of)

    def _embeddings(
        self, text_vectors: Tensor, residual: Tensor, bias: Tensor, has_interactions: Tensor
    ) -> tuple[Tensor, Tensor]:
        keep = has_interactions
        if self.training and self.dropout:
            keep = keep & (torch.rand(len(keep), device=keep.device) >= self.dropout)
        mask = keep.to(residual.dtype)
        return torch.addcmul(self.project(text_vectors).to(residual.dtype), residual, mask[:, None]), bias * mask

    def extended(self, ids: Sequence[str], text_vectors: Tensor) -> "ItemTokens":
        """The same items and cold-start items after them, whose embeddings are built from text alone."""
        cold_start = torch.zeros(len(ids), dtype=torch.bool, device=self.has_interactions.device)
        extended = ItemTokens(
            (*self.ids, *ids),
            self.first,
            torch.cat([self.text_vectors, text_vectors.to(self.text_vectors)]),
            torch.cat([self.has_interactions, cold_start]),
            self.residual.shape[1],
            dropout=self.dropout,
            length=float(self.length),
        )
        with torch.no_grad():
            extended.project.weight.copy_(self.project.weight)
            extended.residual[: len(self.ids)] = self.residual
            extended.bias[: len(self.ids)] = self.bias
        return extended.to(self.text_vectors.device).train(self.training)


def save_items(items: ItemTokens, folder: Path) -> None:
    """Write the parameters and buffers; the ids are in the vocabulary of the tokenizer."""
    save_file({name: tensor.contiguous() for name, tensor in items.state_dict().items()}, folder / FILE)


def load_items(folder: Path, ids: Sequence[str], first: int) -> ItemTokens:
    """Item tokens as they were saved.

    Raises
    ------
    ModelError
        When a tensor is missing or has another shape.
    """
    try:
        saved = load_file(folder / FILE)
        items = ItemTokens(ids, first, saved["text_vectors"], saved["has_interactions"], saved["residual"].shape[1])
        items.load_state_dict(saved)
    except (OSError, KeyError, RuntimeError, ValueError, SafetensorError) as error:
        raise ModelError(f"the item tokens are damaged: {error}", where=str(folder / FILE)) from error
    return items.eval()
