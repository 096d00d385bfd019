"""Continuations of many prompts at once, each prompt computed once and branching like a tree, on one cache.

Ordinary beam search copies the cached prompt for every beam and again whenever beams change places. Here all branches
of a prompt share its row: every computed token keeps its place in the cache, and a mask says which places a branch sees
(tree attention, as in SpecInfer, arXiv 2305.09781), so that changing beams means choosing rows of a mask.

A model that does not read trees (ALiBi, state-space layers) computes the whole text of every branch again in each step,
without a cache: slower, with the same results.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from shoptalk.length_batching import length_batches
from shoptalk.models.capabilities import cache_argument
from shoptalk.models.language_model import LanguageModel

#: Logits held at once (4 bytes each); tokens of a batch of prompts, and most of its histories.
LOGITS, BATCH_TOKENS, BATCH = 1 << 25, 8192, 64


class TreeDecoder:
    """B prompts and what has been computed behind them.

    Parameters
    ----------
    model
        Any causal model.
    prompts
        B lists of token ids, none empty; of about the same length, for shorter ones are filled up.
    """

    def __init__(self, model: LanguageModel, prompts: Sequence[Sequence[int]]) -> None:
        self.model = model
        device = model.device
        self.lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
        width = int(self.lengths.max())
        ids = torch.tensor([[*prompt, *[0] * (width - len(prompt))] for prompt in prompts], device=device)
        #: (B, S) the tokens at all places of the cache, and their positions in their texts.
        self.tokens, self.positions = ids, torch.arange(width, device=device).expand(len(prompts), -1)
        #: Every layer keeps all places, also one with local attention: branches share them, and masks tell them apart.
        self.cache = DynamicCache() if model.reads_trees(width) else None
        given = {"use_cache": False} if self.cache is None else self._caching()
        hidden = model.decoder(input_ids=ids, return_dict=True, **given).last_hidden_state
        #: (B, D), the states that predict each prompt's next token.
        self.last = hidden[torch.arange(len(prompts), device=device), self.lengths - 1]
        #: (B, 1, P), the places that a branch sees before it has any token of its own.
        self.seen = (torch.arange(width, device=device) < self.lengths[:, None])[:, None]

    def grow(
        self, tokens: Tensor, count: Tensor, depth: Tensor, seen: Tensor, over: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute further tokens of W branches of each prompt, without padding between the branches.

        Parameters
        ----------
        tokens
            (B, W, L) ids, of which a branch's first ``count`` (B, W) are computed, and the others never looked at.
        depth
            (B, W) how many tokens each branch has already.
        seen
            (B, W, S) places of the cache that each branch sees.
        over
            (B, W) branches that end here: their tokens are not kept in the cache.

        Returns
        -------
        hidden, inside, seen
            States (F, D) of the F computed tokens, one branch after the other; (B, W, L) where they were in
            ``tokens``; and (B, W, S') with the new places.
        """
        device, branches = tokens.device, tokens.shape[1]
        steps = torch.arange(tokens.shape[2], device=device)
        inside = steps < count[..., None]
        row, branch, step = inside.nonzero(as_tuple=True)
        begin, keep = _begins(count, over)
        index = begin[row, branch] + step
        width = int(index.max()) + 1
        shape = (tokens.shape[0], width)
        ids = torch.zeros(shape, dtype=torch.long, device=device).index_put((row, index), tokens[inside])
        owner = torch.full(shape, branches, device=device).index_put((row, index), branch)
        positions = torch.zeros(shape, dtype=torch.long, device=device)
        positions[row, index] = (self.lengths[row] + depth[row, branch]) + step
        before = torch.ones(width, width, dtype=torch.bool, device=device).tril()
        own = (owner[:, :, None] == owner[:, None]) & before  # a place that fills up sees others like it
        past = seen.gather(1, owner.clamp(max=branches - 1)[..., None].expand(-1, -1, seen.shape[2]))
        if not self.model.reads_trees(seen.shape[2] + width):  # it may read short rows and no long ones
            self.cache = None
        if self.cache is None:
            states = self._again(row, ids[row, index], step, past[row, index])
        else:
            allowed, key = torch.cat([past, own], 2)[:, None], torch.cat([self.positions, positions], 1)
            states = self.model.decoder(
                input_ids=ids, return_dict=True, **self._caching(),
                **self.model.tree_arguments(allowed, positions, key),
            ).last_hidden_state[row, index]  # fmt: skip
            if keep < width:
                self.cache.crop(keep - width)
        self.tokens = torch.cat([self.tokens, ids[:, :keep]], 1)
        self.positions = torch.cat([self.positions, positions[:, :keep]], 1)
        new = owner[:, None, :keep] == torch.arange(branches, device=device)[:, None]
        return states, inside, torch.cat([seen, new], 2)

    def _caching(self) -> dict[str, Any]:
        return {cache_argument(self.model.decoder): self.cache, "use_cache": True}

    def _again(self, row: Tensor, tokens: Tensor, step: Tensor, past: Tensor) -> Tensor:
        """States (F, D) after the tokens (F,) of branches, each branch's whole text computed in a row of its own.

        ``row`` (F,) is a token's prompt, ``step`` (F,) its number among the new ones of its branch, in order, and
        ``past`` (F, S) are the places of the cache that it sees.
        """
        starts = torch.nonzero(step == 0).flatten().tolist()
        ends = [*starts[1:], len(step)]
        texts = [
            torch.cat([self.tokens[row[start]][past[start]], tokens[start:end]])
            for start, end in zip(starts, ends, strict=True)
        ]
        size = max(1, BATCH_TOKENS // max(map(len, texts)))
        states = []
        for first in range(0, len(texts), size):
            part, begin = texts[first : first + size], starts[first : first + size]
            counts = [end - start for start, end in zip(begin, ends[first : first + size], strict=True)]
            ids = pad_sequence(part, batch_first=True)  # filled up behind, where a causal model never looks
            hidden = self.model.decoder(input_ids=ids, use_cache=False, return_dict=True).last_hidden_state
            states += [
                hidden[number, len(text) - count : len(text)]
                for number, (text, count) in enumerate(zip(part, counts, strict=True))
            ]
        return torch.cat(states)

    def log_probability(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """Natural log-probability (F,) of one token (F,) after each state (F, D), few logits at a time."""
        size = max(1, LOGITS // int(self.model.network.config.vocab_size))
        pieces = []
        for states, wanted in zip(hidden.split(size), tokens.split(size), strict=True):
            logits = self.logits(states)
            pieces.append(logits.gather(1, wanted[:, None])[:, 0] - logits.logsumexp(1))
        return torch.cat(pieces) if pieces else hidden.new_zeros(0, dtype=torch.float32)

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (F, V) after some states (F, D), in fp32."""
        return self.model.logits(hidden).float()


def batches(prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """Indices of prompts that go together: by length, at most `BATCH`, and about `BATCH_TOKENS` tokens."""
    lengths = [len(prompt) for prompt in prompts]
    return [batch.tolist() for batch in length_batches(lengths, BATCH_TOKENS, max_rows=BATCH)]


def _begins(count: Tensor, over: Tensor | None) -> tuple[Tensor, int]:
    """(B, W) where each branch's tokens begin, those of branches that end behind all others; how many are kept."""
    if over is None:
        return count.cumsum(1) - count, int(count.sum(1).max())
    kept = count.masked_fill(over, 0)
    rest, keep = count - kept, int(kept.sum(1).max())
    return torch.where(over, keep + rest.cumsum(1) - rest, kept.cumsum(1) - kept), keep
