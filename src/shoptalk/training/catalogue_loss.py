"""Cross-entropy of the next item: over the whole catalogue, or over sampled items."""

import math

import torch
from torch import Tensor
from torch.nn.functional import embedding

from shoptalk.models.items import ItemTable, ItemTokens
from shoptalk.training.cross_entropy import fused_cross_entropy


def full_loss(
    hidden: Tensor, table: ItemTable, targets: Tensor, dtype: torch.dtype, competing: Tensor | None = None
) -> Tensor:
    """Summed cross-entropy in nats of the target items over the catalogue.

    Parameters
    ----------
    hidden
        (n, D) hidden states that predict the next item.
    table
        Vectors and biases of all I items.
    targets
        (n,) indices of the target items in the catalogue.
    dtype
        Type of the matrix products; sums and softmax are always in fp32.
    competing
        (A,) indices of the items in the softmax, which include all targets; None for all items.
    """
    vectors, biases = table.vectors, table.biases
    if competing is not None and len(vectors) < 2 * len(competing) < 2 * len(vectors):
        excluded = torch.ones_like(biases, dtype=torch.bool).index_fill(0, competing, False)
        biases = biases.masked_fill(excluded, -math.inf)  # faster than copying more than half of the table
    elif competing is not None and len(competing) < len(vectors):
        index = torch.zeros(len(vectors), dtype=torch.long, device=targets.device)
        index[competing] = torch.arange(len(competing), device=targets.device)
        vectors, biases, targets = embedding(competing, vectors), biases[competing], index[targets]
    return fused_cross_entropy(hidden, vectors, biases, targets, dtype)


def sampled_loss(hidden: Tensor, table: ItemTable, targets: Tensor, drawn: Tensor, share: float) -> Tensor:
    """Summed cross-entropy in nats of each target item over itself and items sampled for the whole step.

    log(share) is subtracted from the score of a sampled item, so that the denominator of the softmax has the
    expectation of the full one (logQ correction: X. Yi et al., "Sampling-bias-corrected neural modeling for large
    corpus item recommendations", RecSys 2019).

    Parameters
    ----------
    hidden, targets
        As in `full_loss`.
    table
        Vectors and biases of at least the targets and the sampled items.
    drawn
        (m,) indices in the catalogue of the sampled items, each drawn with the same probability.
    share
        That probability, in (0, 1].
    """
    vectors, biases = table.vectors.to(hidden.dtype), table.biases.to(hidden.dtype)
    target_rows, drawn_rows = table.rows_of(targets), table.rows_of(drawn)
    target_scores = ((hidden * vectors[target_rows]).sum(dim=1) + biases[target_rows]).float()
    scores = torch.addmm(biases[drawn_rows], hidden, vectors[drawn_rows].T)
    scores = (scores.float() - math.log(share)).masked_fill(targets[:, None] == drawn[None, :], -math.inf)
    all_scores = torch.cat([target_scores[:, None], scores], dim=1)
    return (all_scores.logsumexp(dim=1) - target_scores).sum()


def sampled_table(
    items: ItemTokens, inputs: Tensor, targets: Tensor, negatives: int
) -> tuple[ItemTable, Tensor, float]:
    """The rows of the item table that a step needs: inputs, targets and items sampled as negatives.

    Parameters
    ----------
    items
        All item tokens; negatives are sampled from those with training interactions.
    inputs, targets
        Indices in the catalogue, with repetitions.
    negatives
        Number of items to sample.

    Returns
    -------
    table, indices of the sampled items, the probability with which each was drawn
    """
    eligible = torch.nonzero(items.has_interactions).flatten()
    count = min(negatives, len(eligible))
    drawn = eligible[torch.randperm(len(eligible), device=eligible.device)[:count]]
    return items.rows(torch.unique(torch.cat([inputs, targets, drawn]))), drawn, count / max(1, len(eligible))
