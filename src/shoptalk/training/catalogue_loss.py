"""Cross-entropy over a whole catalogue without ever holding all its scores.

Scores of n positions over I items are made block by block, and turned into gradients at once: three matrix products and
a few passes over strips that stay in the cache, instead of (n, I) scores, their softmax and its gradient in memory.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding, pad

from shoptalk.models.items import ItemTable, ItemTokens

#: Scores of a block, in the format of the products: many, to spread what a block costs; on a GPU what keeps it busy.
BLOCK, BLOCK_GPU = 1 << 24, 1 << 27
#: Scores in fp32 of the strip of a block that a processor works on at once, few enough to stay near it.
STRIP = 3 << 19

#: Matrix products have a multiple of this many rows: a processor's library makes code for every new shape, which costs
#: more than twice the product itself, and keeps a packed copy of the table with it (13 MB at 12,000 items of 512). So
#: have the items: rows of scores that do not begin at a round address make a product half as slow again.
ROUND = 64


class _Fused(torch.autograd.Function):
    """Summed cross-entropy of n positions, and its gradients, in one go."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, table: Tensor, biases: Tensor, targets: Tensor, dtype: torch.dtype) -> Tensor:
        """The loss; its gradients are made on the way, and kept for `backward`."""
        n, count = len(hidden), rounded(len(table))
        states, vectors = hidden.to(dtype), pad(table.to(dtype), (0, 0, 0, count - len(table)))
        biases = pad(biases, (0, count - len(table)), value=-math.inf)
        by_hidden, by_biases = torch.empty_like(states), torch.zeros_like(biases)
        by_table: Tensor | None = None
        total = torch.zeros((), dtype=torch.float64, device=hidden.device)
        size = _block(n, count, hidden.is_cuda)
        raw = torch.empty(size, count, dtype=dtype, device=hidden.device)  # made once, and all else is done in place:
        strip = size if hidden.is_cuda else max(1, STRIP // max(1, count))  # fresh memory costs more than the sums
        wide = torch.empty(min(size, strip), count, device=hidden.device)  # that fill it
        for start in range(0, n, size):
            block, right = states[start : start + size], targets[start : start + size]
            real, b = len(block), min(size, rounded(len(block)))
            block = pad(block, (0, 0, 0, b - real))
            slope = torch.mm(block, vectors.T, out=raw[:b])  # (b, I): scores, and then the slopes of the loss
            slope[real:] = 0
            for first in range(0, real, strip):
                part, answer = slope[first : min(first + strip, real)], right[first : first + strip]
                share = _softmax(wide[: len(part)].copy_(part).add_(biases))
                rows = torch.arange(len(part), device=hidden.device)
                total -= share[rows, answer].clamp_min(1e-38).log().double().sum()
                share[rows, answer] -= 1  # the softmax less the right answer
                by_biases += share.sum(dim=0)
                part.copy_(share)
            by_hidden[start : start + real] = torch.mm(slope, vectors)[:real]
            piece = torch.mm(slope.T, block)[: len(table)].to(table.dtype)
            by_table = piece if by_table is None else by_table.add_(piece)
        by_table = torch.zeros_like(table) if by_table is None else by_table
        ctx.save_for_backward(by_hidden.to(hidden.dtype), by_table, by_biases[: len(table)])
        return total.float()

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """The kept gradients, scaled in place: a second backward is refused by autograd, which sees the change."""
        by_hidden, by_table, by_biases = (kept.mul_(slopes[0]) for kept in ctx.saved_tensors)
        return by_hidden, by_table, by_biases, None, None


def _softmax(scores: Tensor) -> Tensor:
    """Softmax of each row, in place."""
    shares = scores.sub_(scores.amax(dim=1, keepdim=True)).exp_()
    return shares.div_(shares.sum(dim=1, keepdim=True))


def rounded(rows: int) -> int:
    """The number of rows, rounded up to a multiple of `ROUND`."""
    return -(-rows // ROUND) * ROUND


def _block(rows: int, items: int, on_gpu: bool) -> int:
    """Rows of a block: as many as fit, of a few different sizes only."""
    most = max(1, (BLOCK_GPU if on_gpu else BLOCK) // max(1, items))
    return min(rounded(rows), most // ROUND * ROUND or most)


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
        place = torch.zeros(len(vectors), dtype=torch.long, device=targets.device)
        place[among] = torch.arange(len(among), device=targets.device)
        vectors, biases, targets = embedding(among, vectors), biases[among], place[targets]
    with torch.autocast(hidden.device.type, enabled=False):
        return _Fused.apply(hidden, vectors.float(), biases.float(), targets, dtype)


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
    right, others = table.find(targets), table.find(drawn)
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
    known = torch.nonzero(items.known).flatten()
    count = min(negatives, len(known))
    drawn = known[torch.randperm(len(known), device=known.device)[:count]]
    return items.rows(torch.unique(torch.cat([read, targets, drawn]))), drawn, count / max(1, len(known))
