"""Tree decoding: many continuations of many prompts, with one key-value cache in which each prompt is computed once.

Ordinary beam search copies the cached prompt for every beam, and again when beams are reordered. Here all branches of a
prompt share its row of the cache, and a mask holds the cache positions that each branch sees (tree attention, as in
SpecInfer, arXiv 2305.09781), so that reordering beams means indexing a mask.

Models without support of tree masks (ALiBi, state-space layers) compute the whole text of every branch in each step,
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

#: Most logits in memory at once (4 bytes each), most tokens of a batch, and most prompts of a batch.
LOGITS, BATCH_TOKENS, BATCH = 1 << 25, 8192, 64


class TreeDecoder:
    """B prompts and the tokens that were decoded after them.

    Parameters
    ----------
    model
        Any causal model.
    prompts
        B lists of token ids, none empty; of about the same length, because shorter ones are padded.
    """

    def __init__(self, model: LanguageModel, prompts: Sequence[Sequence[int]]) -> None:
        self.model = model
        device = model.device
        self.lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
        width = int(self.lengths.max())
        ids = torch.tensor([[*prompt, *[0] * (width - len(prompt))] for prompt in prompts], device=device)
        #: (B, S) the tokens in the cache, and their position ids.
        self.tokens, self.positions = ids, torch.arange(width, device=device).expand(len(prompts), -1)
        #: No layer drops tokens, not even with local attention: branches share the cache and differ by their masks.
        self.cache = DynamicCache() if model.reads_trees(width) else None
        inputs = {"use_cache": False} if self.cache is None else self._cache_arguments()
        inputs = model.with_graph_bias({"input_ids": ids, **inputs}, ids)
        hidden = model.decoder(**inputs, return_dict=True).last_hidden_state
        #: (B, D), the hidden states that predict the next token of each prompt.
        self.last = hidden[torch.arange(len(prompts), device=device), self.lengths - 1]
        #: (B, 1, P), mask of the cache positions that a new branch sees: those of its prompt.
        self.seen = (torch.arange(width, device=device) < self.lengths[:, None])[:, None]

    def grow(
        self, tokens: Tensor, count: Tensor, depth: Tensor, seen: Tensor, finished: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the next tokens of W branches of each prompt, without padding between the branches.

        Parameters
        ----------
        tokens
            (B, W, L) ids, of which the first ``count`` (B, W) of each branch are computed and the others ignored.
        depth
            (B, W) number of earlier tokens of each branch.
        seen
            (B, W, S) mask of the cache positions that each branch sees.
        finished
            (B, W) branches that end here: their tokens are not kept in the cache.

        Returns
        -------
        hidden, inside, seen
            States (F, D) of the F computed tokens, one branch after the other; (B, W, L) their mask in
            ``tokens``; and (B, W, S'), ``seen`` with the new cache positions.
        """
        device, branch_count = tokens.device, tokens.shape[1]
        steps = torch.arange(tokens.shape[2], device=device)
        inside = steps < count[..., None]
        row, branch, step = inside.nonzero(as_tuple=True)
        begin, keep = _start_indices(count, finished)
        index = begin[row, branch] + step
        width = int(index.max()) + 1
        shape = (tokens.shape[0], width)
        ids = torch.zeros(shape, dtype=torch.long, device=device).index_put((row, index), tokens[inside])
        branch_of = torch.full(shape, branch_count, device=device).index_put((row, index), branch)
        positions = torch.zeros(shape, dtype=torch.long, device=device)
        positions[row, index] = (self.lengths[row] + depth[row, branch]) + step
        past = seen.gather(1, branch_of.clamp(max=branch_count - 1)[..., None].expand(-1, -1, seen.shape[2]))
        if not self.model.reads_trees(seen.shape[2] + width):  # tree masks may work in short rows only
            self.cache = None
        if self.cache is None:
            states = self._without_cache(row, ids[row, index], step, past[row, index])
        else:
            states = self._with_cache(ids, positions, branch_of, past)[row, index]
            if keep < width:
                self.cache.crop(keep - width)
        self.tokens = torch.cat([self.tokens, ids[:, :keep]], 1)
        self.positions = torch.cat([self.positions, positions[:, :keep]], 1)
        new = branch_of[:, None, :keep] == torch.arange(branch_count, device=device)[:, None]
        return states, inside, torch.cat([seen, new], 2)

    def _cache_arguments(self) -> dict[str, Any]:
        """Arguments of the decoder that use the cache."""
        return {cache_argument(self.model.decoder): self.cache, "use_cache": True}

    def _with_cache(self, ids: Tensor, positions: Tensor, branch_of: Tensor, past: Tensor) -> Tensor:
        """States (B, T, D) of new tokens, which are added to the cache.

        ``ids``, ``positions`` and ``branch_of`` (B, T) are the token, the position id and the branch at each new cache
        position, ``past`` (B, T, S) the mask of the earlier cache positions that it sees.
        """
        width = ids.shape[1]
        causal = torch.ones(width, width, dtype=torch.bool, device=ids.device).tril()
        new_mask = (branch_of[:, :, None] == branch_of[:, None]) & causal  # padding attends to padding
        mask = torch.cat([past, new_mask], 2)[:, None]
        key_positions = torch.cat([self.positions, positions], 1)
        inputs = {"input_ids": ids, **self._cache_arguments()}
        inputs |= self.model.tree_arguments(mask, positions, key_positions)
        inputs = self.model.with_graph_bias(inputs, ids, torch.cat([self.tokens, ids], 1))
        states: Tensor = self.model.decoder(**inputs, return_dict=True).last_hidden_state
        return states

    def _without_cache(self, row: Tensor, tokens: Tensor, step: Tensor, past: Tensor) -> Tensor:
        """States (F, D) of the tokens (F,) of branches, with the whole text of each branch in a separate row.

        ``row`` (F,) is the prompt of a token, ``step`` (F,) its position among the new tokens of its branch, and
        ``past`` (F, S) the mask of the earlier tokens that it sees.
        """
        starts = torch.nonzero(step == 0).flatten().tolist()
        ends = [*starts[1:], len(step)]
        texts = [
            torch.cat([self.tokens[row[start]][past[start]], tokens[start:end]])
            for start, end in zip(starts, ends, strict=True)
        ]
        size = max(1, BATCH_TOKENS // max(map(len, texts)))
        states = []
        counts = [end - start for start, end in zip(starts, ends, strict=True)]
        for first in range(0, len(texts), size):
            batch, batch_counts = texts[first : first + size], counts[first : first + size]
            ids = pad_sequence(batch, batch_first=True)  # right padding, which a causal model ignores
            inputs = self.model.with_graph_bias({"input_ids": ids}, ids)
            hidden = self.model.decoder(**inputs, use_cache=False, return_dict=True).last_hidden_state
            states += [
                hidden[number, len(text) - count : len(text)]
                for number, (text, count) in enumerate(zip(batch, batch_counts, strict=True))
            ]
        return torch.cat(states)

    def log_probability(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """Natural log-probability (F,) of one token (F,) after each state (F, D), in blocks of `LOGITS` logits."""
        size = max(1, LOGITS // int(self.model.network.config.vocab_size))
        blocks = []
        for states, targets in zip(hidden.split(size), tokens.split(size), strict=True):
            logits = self.logits(states)
            blocks.append(logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(1))
        return torch.cat(blocks) if blocks else hidden.new_zeros(0, dtype=torch.float32)

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (F, V) after some states (F, D), in fp32."""
        return self.model.logits(hidden).float()


def batches(prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """Indices of the prompts of each batch: of similar length, at most `BATCH` prompts and `BATCH_TOKENS` tokens."""
    lengths = [len(prompt) for prompt in prompts]
    return [batch.tolist() for batch in length_batches(lengths, BATCH_TOKENS, max_rows=BATCH)]


def _start_indices(count: Tensor, finished: Tensor | None) -> tuple[Tensor, int]:
    """(B, W) start of the tokens of each branch, finished branches last; and the number of tokens kept in the cache."""
    if finished is None:
        return count.cumsum(1) - count, int(count.sum(1).max())
    continuing_count = count.masked_fill(finished, 0)
    finished_count, keep = count - continuing_count, int(continuing_count.sum(1).max())
    finished_start = keep + finished_count.cumsum(1) - finished_count
    return torch.where(finished, finished_start, continuing_count.cumsum(1) - continuing_count), keep
