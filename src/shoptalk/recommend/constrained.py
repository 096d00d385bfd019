"""Constrained decoding of titles: beam search over a trie of the token sequences of the catalogue.

Free decoding generates titles that do not exist. Here a beam is only extended by tokens that some title has at that
position. Allowed tokens are looked up in flat arrays (`shoptalk.recommend.trie`) for all beams of all histories at
once. A chain of tokens without alternatives is computed in one pass, and so are the remaining tokens of a title once no
other title begins in the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shoptalk.models.language_model import LanguageModel
from shoptalk.models.tokenizer import Tokenizer
from shoptalk.progress import Notify, quiet
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.questions import ending, open_question, prior_prompt
from shoptalk.recommend.prior import Prior
from shoptalk.recommend.tree_decoder import TreeDecoder, batches
from shoptalk.recommend.trie import Trie, make_trie
from shoptalk.schema import History, RankedList

#: Beams per history, unless more items are requested.
BEAMS = 10


class TitleSearch:
    """The k titles of the catalogue that are most probable under a language model.

    Of several items with the same title the first by id is recommended; items with an empty title never are.

    Parameters
    ----------
    model, builder
        The model, and the prompt builder of its training.
    scoring
        The score of a title: ``sum`` or ``mean`` of the log-probabilities of its tokens and its ending, or ``pmi``,
        their sum less that without a history. The search always orders beams by the sum; with ``pmi`` the titles that
        it finds, one for each beam, are then ordered by their scores.
    beams
        Beam width; with as many beams as titles the search is exact.
    """

    name = "model"

    def __init__(self, model: LanguageModel, builder: PromptBuilder, scoring: str = "sum", beams: int = BEAMS) -> None:
        self.model, self.builder, self.scoring, self.beams = model, builder, scoring, beams
        self.items_by_tokens = _items_by_tokens(builder, model.tokenizer)
        trie = make_trie(list(self.items_by_tokens))
        self.trie = trie.to(model.device)
        self.prior = Prior(model)
        items = list(self.items_by_tokens.values())
        #: For each row of the trie, the items with that title, sorted by id.
        self.items = [items[index] for index in trie.source.tolist()]
        self._row = {item: row for row, group in enumerate(self.items) for item in group}
        self.cut = 0

    def rank(
        self,
        histories: Sequence[History],
        k: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        exclude_history: bool = True,
        targets: Sequence[str] | None = None,  # noqa: ARG002
        notify: Notify = quiet,
    ) -> list[RankedList]:
        """The k best items of each history with their scores, best first (see `Recommender`); no target has a rank."""
        candidates = self.items if allowed is None else self._allowed_items(allowed)
        prompts, self.cut = [], 0
        for history in histories:
            prompt, cut = open_question(
                self.builder, self.model.tokenizer, history, self.trie.longest, self.model.longest
            )
            prompts.append(prompt)
            self.cut += cut
        lists: list[RankedList | None] = [None] * len(prompts)
        done = 0
        for numbers in batches(prompts):
            batch = [histories[number] for number in numbers]
            seen_items = [frozenset(history.items) if exclude_history else frozenset() for history in batch]
            excluded = self._exclusion_mask(candidates, seen_items)
            with torch.inference_mode(), self.model.autocast():
                beams = max(k, self.beams)
                scores, rows = search(
                    TreeDecoder(self.model, [prompts[number] for number in numbers]),
                    self.trie,
                    excluded,
                    beams,
                    beams if self.scoring == "pmi" else k,
                    self.scoring,
                )
                if self.scoring == "pmi":
                    scores, rows = self._without_prior(scores, rows, k)
            results = zip(scores.tolist(), rows.tolist(), strict=True)
            for number, history, seen, (values, titles) in zip(numbers, batch, seen_items, results, strict=True):
                best = [(value, row) for value, row in zip(values, titles, strict=True) if value > -torch.inf]
                ids = [next(item for item in candidates[row] if item not in seen) for _, row in best]
                lists[number] = RankedList(history.user_id, tuple(ids), tuple(value for value, _ in best))
            done += len(numbers)
            notify(done, len(prompts))
        return [ranked for ranked in lists if ranked is not None]

    def _without_prior(self, scores: Tensor, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The k best of the titles found for each history, (B, k), by their scores less those without a history."""
        tokens = list(self.items_by_tokens)
        found = rows[scores > -torch.inf].unique().tolist()
        answers = [list(tokens[int(self.trie.source[row])]) for row in found]
        prompt = prior_prompt(self.builder, self.model.tokenizer, None, self.trie.longest)
        (sums,) = self.prior.sums([(prompt, answers)])
        prior = torch.zeros(len(self.items), dtype=scores.dtype, device=scores.device)
        prior[found] = torch.tensor(sums, dtype=scores.dtype, device=scores.device)
        best, order = (scores - prior[rows]).sort(dim=1, descending=True, stable=True)
        return best[:, :k], rows.gather(1, order[:, :k])

    def _allowed_items(self, allowed: NDArray[np.bool_]) -> list[list[str]]:
        """The allowed items with the title of each row of the trie."""
        ids = list(self.builder.catalogue)
        allowed_ids = {ids[index] for index in np.flatnonzero(allowed).tolist()}
        return [[item for item in items if item in allowed_ids] for items in self.items]

    def _exclusion_mask(self, candidates: list[list[str]], seen_items: list[frozenset[str]]) -> "ExclusionMask":
        """Rows of the trie without an allowed item, and for each history those of which it contains all items."""
        empty = torch.tensor([not group for group in candidates], dtype=torch.long)
        rows = [
            sorted(
                {self._row[item] for item in seen if item in self._row and seen.issuperset(candidates[self._row[item]])}
            )
            for seen in seen_items
        ]
        rows = [[row for row in excluded if candidates[row]] for excluded in rows]
        width = max(map(len, rows), default=0)
        padded = torch.tensor(
            [excluded + [len(candidates)] * (width - len(excluded)) for excluded in rows], dtype=torch.long
        )
        total = torch.cat([torch.zeros(1, dtype=torch.long), empty.cumsum(0)])
        return ExclusionMask(total.to(self.model.device), padded.view(len(rows), width).to(self.model.device))


class ExclusionMask:
    """Rows of a trie that are excluded from the search, with constant-time counts for ranges of rows.

    Parameters
    ----------
    total
        (N + 1,) number of rows before each that are excluded for all histories.
    per_history
        (B, H) further excluded rows of each history, sorted, padded with N.
    """

    def __init__(self, total: Tensor, per_history: Tensor) -> None:
        self.total, self.per_history = total, per_history

    def all_excluded(self, low: Tensor, high: Tensor) -> Tensor:
        """(B, C) whether all of the rows from ``low`` (B, C) up to ``high`` (exclusive) are excluded."""
        count = self.total[high] - self.total[low]
        if self.per_history.shape[1]:
            count = count + torch.searchsorted(self.per_history, high) - torch.searchsorted(self.per_history, low)
        return count >= high - low


def search(
    decoder: TreeDecoder, trie: Trie, excluded: ExclusionMask, beams: int, k: int, scoring: str = "sum"
) -> tuple[Tensor, Tensor]:
    """The k best rows of a trie as continuations of each of B prompts.

    In each step the ``beams`` best continuations advance to the next node with several children. Where only one title
    is left, its remaining tokens are computed in the same pass, and the beam is finished. Beams that can no longer be
    among the k best are dropped (a score never increases), and the search ends when no beam is left.

    Returns
    -------
    scores, rows
        (B, k), best first; a score of minus infinity marks an empty slot.
    """
    size, device = len(decoder.lengths), trie.token.device
    best = torch.full((size, k), -torch.inf, device=device)
    rows = torch.zeros(size, k, dtype=torch.long, device=device)
    beam = Beam(
        torch.zeros(size, 1, dtype=torch.long, device=device), torch.zeros(size, 1, device=device), decoder.seen
    )
    states, state_row = decoder.last, torch.arange(size, device=device)[:, None]
    while len(states):
        child, value = _children(trie, excluded, beam, decoder.logits(states), state_row)
        bound = value / trie.most[child] if scoring == "mean" else value
        value, chosen = value.masked_fill(bound < best[:, -1:], -torch.inf).topk(min(beams, child.shape[1]))
        source = chosen.div(child.shape[1] // beam.node.shape[1], rounding_mode="floor")
        seen = beam.seen.gather(1, source[..., None].expand(-1, -1, beam.seen.shape[2]))
        node = child.gather(1, chosen)
        finished = trie.count[node] == 0
        beam, states, state_row = _advance(decoder, trie, Beam(node, value, seen), finished)
        row = trie.low[node]
        final = beam.score / trie.length[row] if scoring == "mean" else beam.score
        scores = torch.cat([best, final.masked_fill(~finished, -torch.inf)], 1)
        best, chosen = scores.sort(dim=1, descending=True, stable=True)
        best, rows = best[:, :k], torch.cat([rows, row], 1).gather(1, chosen[:, :k])
        beam.score = beam.score.masked_fill(finished, -torch.inf)
    return best, rows


@dataclass(slots=True)
class Beam:
    """W beams of each of B prompts: node (B, W), score (B, W), and a mask of the cache positions seen (B, W, S).

    A score of minus infinity marks an empty slot.
    """

    node: Tensor
    score: Tensor
    seen: Tensor


def _children(
    trie: Trie, excluded: ExclusionMask, beam: Beam, logits: Tensor, state_row: Tensor
) -> tuple[Tensor, Tensor]:
    """The children (B, W * C) of all beams and their scores, minus infinity where there is none.

    ``state_row`` (B, W) is the row of ``logits`` (F, V) of each beam.
    """
    live = beam.score.isfinite()
    count = trie.count[beam.node].masked_fill(~live, 0)
    steps = torch.arange(max(1, int(count.max())), device=beam.node.device)
    real = steps < count[..., None]
    child = torch.where(real, trie.first[beam.node][..., None] + steps, 0)
    token = trie.token[child]
    index = state_row[..., None] * logits.shape[1] + token.clamp(min=0)
    gain = logits.flatten()[index] - logits.logsumexp(1)[state_row][..., None]
    value = beam.score[..., None] + gain.masked_fill(
        token < 0, 0.0
    )  # the end of a sequence is not a token and has no cost
    child = child.flatten(1)
    masked = excluded.all_excluded(trie.low[child], trie.high[child])
    return child, value.flatten(1).masked_fill(masked | ~real.flatten(1), -torch.inf)


def _advance(decoder: TreeDecoder, trie: Trie, beam: Beam, finished: Tensor) -> tuple[Beam, Tensor, Tensor]:
    """Compute the next token of each beam and those after it without alternatives; all remaining of finished beams.

    Returns the beams at the nodes reached, the hidden states (F, D) of the F unfinished beams, and the row of each
    beam (B, W) in these states.
    """
    node, row = beam.node, trie.low[beam.node]
    depth, end = trie.depth[node], trie.end[node]
    live = beam.score.isfinite()
    stop = torch.where(finished, trie.length[row] - 1, trie.depth[end])  # the last token of a title predicts nothing
    count = (stop - depth + 1).masked_fill(~live, 0).clamp(min=0)
    state_row = ((live & ~finished).flatten().cumsum(0) - 1).clamp(min=0).view(finished.shape)
    if not count.any():
        return Beam(end, beam.score, beam.seen), decoder.last[:0], state_row
    index = (depth - 1)[..., None] + torch.arange(int(count.max()) + 1, device=node.device)
    tokens = trie.sequences[row[..., None], index.clamp(0, trie.longest - 1)].clamp(min=0)
    hidden, inside, seen = decoder.grow(tokens[..., :-1], count, depth - 1, beam.seen, finished)
    last = inside & (torch.arange(inside.shape[2], device=node.device) + 1 == count[..., None]) & ~finished[..., None]
    forced = inside & ~last
    gains = torch.zeros(inside.shape, device=node.device)
    gains[forced] = decoder.log_probability(hidden[forced[inside]], tokens[..., 1:][forced])
    return Beam(end, beam.score + gains.sum(2), seen), hidden[last[inside]], state_row


def _items_by_tokens(builder: PromptBuilder, tokenizer: Tokenizer) -> dict[tuple[int, ...], list[str]]:
    """The items by token sequence: the title followed by the end of an answer. Items are sorted by id."""
    end = ending(builder, tokenizer)
    items_by_tokens: dict[tuple[int, ...], list[str]] = {}
    for item in sorted(builder.catalogue):
        if title := tokenizer.encode(builder.title(item)):
            items_by_tokens.setdefault((*title, *end), []).append(item)
    return items_by_tokens
