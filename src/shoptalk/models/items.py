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

    def find(self, places: Tensor) -> Tensor:
        """Rows of the table for items by their places in the catalogue."""
        return places if self.at is None else self.at[places]


class ItemTokens(nn.Module):
    """Embeddings of I items for a backbone of width D.

    Parameters
    ----------
    ids
        The items, in the order of their tokens.
    first
        Token id of the first; the others follow it.
    text
        (I, E) vectors of the items' words, of unit length or zero.
    known
        (I,) which items have training interactions.
    width
        D.
    dropout
        Share of the items that are without their learned part in a training step, so that words carry what they can.
    length
        Of an embedding as the backbone reads it: that of the base's own word embeddings.

    Attributes
    ----------
    learned, bias
        (I, D) and (I,), both zero at the start.
    """

    text: Tensor
    known: Tensor
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
        self.register_buffer("text", text.float())
        self.register_buffer("known", known.bool())
        self.project = nn.Linear(text.shape[1], width, bias=False)
        nn.init.orthogonal_(self.project.weight) if text.shape[1] != width else nn.init.eye_(self.project.weight)
        self.learned = nn.Parameter(torch.zeros(len(self.ids), width))
        self.bias = nn.Parameter(torch.zeros(len(self.ids)))
        self.register_buffer("length", torch.tensor(float(length)))

    @property
    def seen(self) -> frozenset[str]:
        """Items with training interactions."""
        return frozenset(item for item, known in zip(self.ids, self.known.tolist(), strict=True) if known)

    def table(self) -> ItemTable:
        """The table of all items; in training, some are without their learned part."""
        return ItemTable(*self._made(self.text, self.learned, self.bias, self.known))

    def rows(self, places: Tensor) -> ItemTable:
        """The table of n items alone, by their places (each once)."""
        at = torch.zeros(len(self.ids), dtype=torch.long, device=places.device)
        at[places] = torch.arange(len(places), device=places.device)
        made = self._made(self.text[places], embedding(places, self.learned), self.bias[places], self.known[places])
        return ItemTable(*made, at)

    def _made(self, text: Tensor, learned: Tensor, bias: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        kept = known
        if self.training and self.dropout:
            kept = kept & (torch.rand(len(kept), device=kept.device) >= self.dropout)
        share = kept.to(learned.dtype)
        return torch.addcmul(self.project(text).to(learned.dtype), learned, share[:, None]), bias * share

    def extended(self, ids: Sequence[str], text: Tensor) -> "ItemTokens":
        """The same items and new ones after them, which are told by their words alone."""
        new = torch.zeros(len(ids), dtype=torch.bool, device=self.known.device)
        made = ItemTokens(
            (*self.ids, *ids), self.first, torch.cat([self.text, text.to(self.text)]), torch.cat([self.known, new]),
            self.learned.shape[1], dropout=self.dropout, length=float(self.length),
        )  # fmt: skip
        with torch.no_grad():
            made.project.weight.copy_(self.project.weight)
            made.learned[: len(self.ids)] = self.learned
            made.bias[: len(self.ids)] = self.bias
        return made.to(self.text.device).train(self.training)


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
        items = ItemTokens(ids, first, saved["text"], saved["known"], saved["learned"].shape[1])
        items.load_state_dict(saved)
    except (OSError, KeyError, RuntimeError, ValueError, SafetensorError) as error:
        raise ModelError(f"the item tokens are damaged: {error}", where=str(folder / FILE)) from error
    return items.eval()
