"""Cross-entropy of the right item: among the whole catalogue, or among a few that are drawn."""

import math

import torch
from torch import Tensor
from torch.nn.functional import embedding

from shoptalk.models.items import ItemTable, ItemTokens
from shoptalk.training.cross_entropy import fused_cross_entropy


def full_loss(
    hidden: Tensor, table: ItemTable, targets: Tensor, dtype: torch.dtype, among: Tensor | None = None
) -> Tensor:
    """Summed cross-entropy in nats of the right items among all.

    Parameters
    ----------
    hidden
        (n, D) states from which the next item is told.
    targets
        (n,) places of the right items in the catalogue.
    dtype
        What the matrix products are computed in; sums and softmax are in fp32 whatever it is.
    among
        (A,) places of the items that compete, all targets among them; without it, all do.
    """
    vectors, biases = table.vectors, table.biases
    if among is not None and len(vectors) < 2 * len(among) < 2 * len(vectors):
        silent = torch.ones_like(biases, dtype=torch.bool).index_fill(0, among, False)
        biases = biases.masked_fill(silent, -math.inf)  # cheaper than taking most of the table out of it
    elif among is not None and len(among) < len(vectors):
        index = torch.zeros(len(vectors), dtype=torch.long, device=targets.device)
        index[among] = torch.arange(len(among), device=targets.device)
        vectors, biases, targets = embedding(among, vectors), biases[among], index[targets]
    return fused_cross_entropy(hidden, vectors, biases, targets, dtype)


def sampled_loss(hidden: Tensor, table: ItemTable, targets: Tensor, drawn: Tensor, share: float) -> Tensor:
    """Summed cross-entropy of the right items among themselves and a few drawn for the whole step.

    A drawn item stands for 1 / share items like it, so log(share) is taken from its score (logQ correction: X. Yi et
    al., "Sampling-bias-corrected neural modeling for large corpus item recommendations", RecSys 2019). The sum below
    the fraction then has the expectation of the full one.

    Parameters
    ----------
    hidden, targets
        As in `full_loss`; ``targets`` are places in the catalogue.
    table
        That holds at least the targets and what was drawn.
    drawn
        (m,) places of items, each drawn with the same chance.
    share
        That chance, in (0, 1].
    """
    vectors, biases = table.vectors.to(hidden.dtype), table.biases.to(hidden.dtype)
    right, others = table.rows_of(targets), table.rows_of(drawn)
    own = (hidden * vectors[right]).sum(dim=1) + biases[right]
    scores = torch.addmm(biases[others], hidden, vectors[others].T)
    scores = (scores.float() - math.log(share)).masked_fill(targets[:, None] == drawn[None, :], -math.inf)
    both = torch.cat([own.float()[:, None], scores], dim=1)
    return (both.logsumexp(dim=1) - own.float()).sum()


def needed(items: ItemTokens, read: Tensor, targets: Tensor, negatives: int) -> tuple[ItemTable, Tensor, float]:
    """The table of what a step reads, asks for and draws among the items with training interactions.

    Returns
    -------
    table, places of the drawn items, the chance with which each was drawn
    """
    known = torch.nonzero(items.has_interactions).flatten()
    count = min(negatives, len(known))
    drawn = known[torch.randperm(len(known), device=known.device)[:count]]
    return items.rows(torch.unique(torch.cat([read, targets, drawn]))), drawn, count / max(1, len(known))
