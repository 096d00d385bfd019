"""Cross-entropy over many classes without all scores in memory.

The scores of n positions over V classes (items, or words) are computed in blocks, and the gradients of each block at
once. This takes three matrix products and a few passes over strips that fit the cache; the (n, V) scores, their softmax
and its gradient are never in memory together.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

#: Number of scores of a block, on a CPU and on a GPU: large enough that the fixed cost of a block is small.
BLOCK, BLOCK_GPU = 1 << 24, 1 << 27
#: Number of fp32 scores of a strip, the part of a block that a CPU processes at once: small enough for its cache.
STRIP = 3 << 19

#: The numbers of rows and of classes of all matrix products are multiples of this. A CPU library compiles code for each
#: new shape, which takes more than twice the time of the product, and stores a packed copy of the table with it (13 MB
#: for 12,000 items of width 512). Rows of scores at unaligned addresses make a product 1.5 times as slow.
ROUND = 64


def fused_cross_entropy(
    hidden: Tensor, table: Tensor, biases: Tensor | None, targets: Tensor, dtype: torch.dtype
) -> Tensor:
    """Summed cross-entropy in nats of the targets over all V classes.

    Parameters
    ----------
    hidden
        (n, D) hidden states.
    table, biases
        (V, D) vectors and (V,) biases of the classes; None for no biases. The score of a class is the product of its
        vector and the state, plus its bias. A class with a bias of minus infinity is left out of the softmax.
    targets
        (n,) indices of the right classes.
    dtype
        Type of the matrix products; sums and softmax are always in fp32. fp16 is replaced by fp32: the gradients are
        computed before the gradient scaler multiplies them, and would underflow.
    """
    if dtype == torch.float16:
        dtype = torch.float32
    biases = table.new_zeros(len(table), dtype=torch.float32) if biases is None else biases.float()
    if not torch.is_grad_enabled():  # `needs_input_grad` of a custom function does not depend on this mode
        hidden, table, biases = hidden.detach(), table.detach(), biases.detach()
    with torch.autocast(hidden.device.type, enabled=False):
        return _Fused.apply(hidden, table.float() if table.requires_grad else table, biases, targets, dtype)


class _Fused(torch.autograd.Function):
    """Summed cross-entropy of n positions; the forward pass computes the gradients as well."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, table: Tensor, biases: Tensor, targets: Tensor, dtype: torch.dtype) -> Tensor:
        """The loss; its gradients are saved for `backward`."""
        needs_hidden, needs_table, needs_biases, *_ = ctx.needs_input_grad
        n, count = len(hidden), rounded(len(table))
        states, vectors = hidden.to(dtype), pad(table.to(dtype), (0, 0, 0, count - len(table)))
        biases = pad(biases, (0, count - len(table)), value=-math.inf)
        by_hidden, by_biases = torch.empty_like(states), torch.zeros_like(biases)
        by_table: Tensor | None = None
        total = torch.zeros((), dtype=torch.float64, device=hidden.device)
        size = _block(n, count, hidden.is_cuda)
        # Both buffers are allocated once and reused: fresh memory costs more time than the sums written to it.
        score_buffer = torch.empty(size, count, dtype=dtype, device=hidden.device)
        strip = size if hidden.is_cuda else max(1, STRIP // max(1, count))
        strip_buffer = torch.empty(min(size, strip), count, device=hidden.device)
        for start in range(0, n, size):
            block, block_targets = states[start : start + size], targets[start : start + size]
            rows, padded_rows = len(block), min(size, rounded(len(block)))
            block = pad(block, (0, 0, 0, padded_rows - rows))
            scores = torch.mm(block, vectors.T, out=score_buffer[:padded_rows])  # (padded rows, padded classes)
            scores[rows:] = 0
            _scores_to_gradients(
                scores[:rows], block_targets, biases, strip_buffer, total, by_biases if needs_biases else None
            )
            if needs_hidden:
                by_hidden[start : start + rows] = torch.mm(scores, vectors)[:rows]
            if needs_table:
                by_block = torch.mm(scores.T, block)[: len(table)].to(table.dtype)
                by_table = by_block if by_table is None else by_table.add_(by_block)
        if needs_table and by_table is None:
            by_table = torch.zeros_like(table)
        ctx.dtype = hidden.dtype
        # A gradient in fp16 is converted after scaling, in `backward`.
        saved_by_hidden = by_hidden if hidden.dtype == torch.float16 else by_hidden.to(hidden.dtype)
        ctx.save_for_backward(saved_by_hidden, by_table, by_biases[: len(table)])
        return total.float()

    @staticmethod
    def backward(ctx: Any, *loss_gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The saved gradients times that of the loss, in place; autograd then refuses a second backward pass."""
        scaled = (saved if saved is None else saved.mul_(loss_gradients[0]) for saved in ctx.saved_tensors)
        by_hidden, by_table, by_biases = (
            gradient if needed else None for gradient, needed in zip(scaled, ctx.needs_input_grad[:3], strict=True)
        )
        return None if by_hidden is None else by_hidden.to(ctx.dtype), by_table, by_biases, None, None


def _scores_to_gradients(
    scores: Tensor, targets: Tensor, biases: Tensor, buffer: Tensor, total: Tensor, by_biases: Tensor | None
) -> None:
    """Replace scores by the gradient of the summed loss, softmax - one-hot target, strip by strip.

    Parameters
    ----------
    scores
        (b, V) scores without biases; overwritten.
    targets, biases
        (b,) indices of the right classes, and (V,) biases.
    buffer
        (rows of a strip, V) memory in fp32; overwritten.
    total
        The loss, to which that of the block is added in place.
    by_biases
        (V,) the gradient by the biases, to which that of the block is added in place; None where it is not needed.
    """
    for first in range(0, len(scores), len(buffer)):
        strip, strip_targets = scores[first : first + len(buffer)], targets[first : first + len(buffer)]
        rows = torch.arange(len(strip), device=scores.device)
        softmax = buffer[: len(strip)].copy_(strip).add_(biases)
        target_scores = softmax.sub_(softmax.amax(dim=1, keepdim=True))[rows, strip_targets]
        sums = softmax.exp_().sum(dim=1, keepdim=True)
        total += (sums[:, 0].log() - target_scores).double().sum()
        softmax.div_(sums)[rows, strip_targets] -= 1
        if by_biases is not None:
            by_biases += softmax.sum(dim=0)
        strip.copy_(softmax)


def rounded(rows: int) -> int:
    """The number of rows, rounded up to a multiple of `ROUND`."""
    return -(-rows // ROUND) * ROUND


def _block(rows: int, classes: int, on_gpu: bool) -> int:
    """The number of rows of a block: the largest multiple of `ROUND` that fits."""
    most = max(1, (BLOCK_GPU if on_gpu else BLOCK) // max(1, classes))
    return max(1, min(rounded(rows), most // ROUND * ROUND or most))
