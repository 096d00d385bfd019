"""Cross-entropy over very many answers without ever holding all their scores.

Scores of n positions over V answers (items, or words) are made block by block, and turned into gradients at once: three
matrix products and a few passes over strips that stay in the cache, instead of (n, V) scores, their softmax and its
gradient in memory.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

#: Scores of a block, in the format of the products: many, to spread what a block costs; on a GPU what keeps it busy.
BLOCK, BLOCK_GPU = 1 << 24, 1 << 27
#: Scores in fp32 of the strip of a block that a processor works on at once, few enough to stay near it.
STRIP = 3 << 19

#: Matrix products have a multiple of this many rows: a processor's library makes code for every new shape, which costs
#: more than twice the product itself, and keeps a packed copy of the table with it (13 MB at 12,000 items of 512). So
#: have the items: rows of scores that do not begin at a round address make a product half as slow again.
ROUND = 64


def fused_cross_entropy(
    hidden: Tensor, table: Tensor, biases: Tensor | None, targets: Tensor, dtype: torch.dtype
) -> Tensor:
    """Summed cross-entropy in nats of the right answers among all.

    Parameters
    ----------
    hidden
        (n, D) states from which the answers are told.
    table, biases
        (V, D) and (V,), or no biases: an answer's score is its row's product with the state, and its bias. An answer
        with a bias of minus infinity does not compete.
    targets
        (n,) the right answers' rows.
    dtype
        What the matrix products are computed in; sums and softmax are in fp32 whatever it is. For fp16 they are
        computed in fp32: the slopes are made before the gradient scaler can lift them, and would vanish.
    """
    if dtype == torch.float16:
        dtype = torch.float32
    biases = table.new_zeros(len(table), dtype=torch.float32) if biases is None else biases.float()
    if not torch.is_grad_enabled():  # a function of one's own does not see that
        hidden, table, biases = hidden.detach(), table.detach(), biases.detach()
    with torch.autocast(hidden.device.type, enabled=False):
        return _Fused.apply(hidden, table.float() if table.requires_grad else table, biases, targets, dtype)


class _Fused(torch.autograd.Function):
    """Summed cross-entropy of n positions, and its gradients, in one go."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, table: Tensor, biases: Tensor, targets: Tensor, dtype: torch.dtype) -> Tensor:
        """The loss; its gradients are made on the way, and kept for `backward`."""
        to_hidden, to_table, to_biases, *_ = ctx.needs_input_grad  # none where nothing is learned: no second product
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
                rows = torch.arange(len(part), device=hidden.device)
                share = wide[: len(part)].copy_(part).add_(biases)
                own = share.sub_(share.amax(dim=1, keepdim=True))[rows, answer]
                sums = share.exp_().sum(dim=1, keepdim=True)
                total += (sums[:, 0].log() - own).double().sum()
                share.div_(sums)[rows, answer] -= 1  # the softmax less the right answer
                if to_biases:
                    by_biases += share.sum(dim=0)
                part.copy_(share)
            if to_hidden:
                by_hidden[start : start + real] = torch.mm(slope, vectors)[:real]
            if to_table:
                piece = torch.mm(slope.T, block)[: len(table)].to(table.dtype)
                by_table = piece if by_table is None else by_table.add_(piece)
        if to_table and by_table is None:
            by_table = torch.zeros_like(table)
        ctx.dtype = hidden.dtype
        kept = by_hidden if hidden.dtype == torch.float16 else by_hidden.to(hidden.dtype)  # fp16 once it is scaled
        ctx.save_for_backward(kept, by_table, by_biases[: len(table)])
        return total.float()

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """The kept gradients, scaled in place: a second backward is refused by autograd, which sees the change."""
        made = (kept if kept is None else kept.mul_(slopes[0]) for kept in ctx.saved_tensors)
        by_hidden, by_table, by_biases = (
            kept if wanted else None for kept, wanted in zip(made, ctx.needs_input_grad[:3], strict=True)
        )
        return None if by_hidden is None else by_hidden.to(ctx.dtype), by_table, by_biases, None, None


def rounded(rows: int) -> int:
    """The number of rows, rounded up to a multiple of `ROUND`."""
    return -(-rows // ROUND) * ROUND


def _block(rows: int, answers: int, on_gpu: bool) -> int:
    """Rows of a block: as many as fit, of a few different sizes only."""
    most = max(1, (BLOCK_GPU if on_gpu else BLOCK) // max(1, answers))
    return max(1, min(rounded(rows), most // ROUND * ROUND or most))
