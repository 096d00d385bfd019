"""Naming the next titles, and nothing but titles of the catalogue: beam search over a trie of their tokens.

Free generation says titles that do not exist. Here a beam may only go on with a token that some title has at its place;
allowed tokens are looked up in flat arrays (`shoptalk.recommend.trie`) for all beams of all histories in one step, a
chain of tokens without a choice is computed in one pass, and so are the ends of all titles found (a title is known long
before it is spelled out).
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
from shoptalk.prompts.questions import ending, open_question
from shoptalk.recommend.tree_decoder import TreeDecoder, batches
from shoptalk.recommend.trie import Trie, make_trie
from shoptalk.schema import History, RankedList

#: Beams of a history, unless more items are asked for.
BEAMS = 10


class TitleSearch:
    """The k titles that a language model names most probably, all of them in the catalogue.

    Of several items with the same title (to the tokenizer) the first by id is meant; an item whose title is empty
    cannot be named.

    Parameters
    ----------
    model, builder
        The model, and the words that it was trained on.
    scoring
        A title's score: ``sum`` of the log-probabilities of its tokens and its ending, or their ``mean``. The search
        itself goes by the sum.
    beams
        How many titles are kept in view; as many as there are titles make the search exact.
    """

    name = "model"

    def __init__(self, model: LanguageModel, builder: PromptBuilder, scoring: str = "sum", beams: int = BEAMS) -> None:
        self.model, self.builder, self.scoring, self.beams = model, builder, scoring, beams
        self.meant = _encoded(builder, model.tokenizer)
        trie = make_trie(list(self.meant))
        self.trie = trie.to(model.device)
        items = list(self.meant.values())
        #: Of each row of the trie, the items that it may mean, by id.
        self.items = [items[index] for index in trie.source.tolist()]
        self._row = {item: row for row, same in enumerate(self.items) for item in same}
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
        names = list(self.builder.catalogue)
        open_items = None if allowed is None else frozenset(names[at] for at in np.flatnonzero(allowed).tolist())
        named = self.items if open_items is None else _only(self.items, open_items)
        prompts, self.cut = [], 0
        for history in histories:
            prompt, cut = open_question(
                self.builder, self.model.tokenizer, history, self.trie.longest, self.model.longest
            )
            prompts.append(prompt)
            self.cut += cut
        found: list[RankedList | None] = [None] * len(prompts)
        done = 0
        for chosen in batches(prompts):
            asked = [histories[number] for number in chosen]
            seen_items = [frozenset(history.items) if exclude_history else frozenset() for history in asked]
            closed = self._closed(named, seen_items)
            with torch.inference_mode(), self.model.autocast():
                scores, rows = search(
                    TreeDecoder(self.model, [prompts[number] for number in chosen]),
                    self.trie, closed, max(k, self.beams), k, self.scoring,
                )  # fmt: skip
            lists = zip(scores.tolist(), rows.tolist(), strict=True)
            for number, history, bought, (values, titles) in zip(chosen, asked, seen_items, lists, strict=True):
                best = [(value, row) for value, row in zip(values, titles, strict=True) if value > -torch.inf]
                ids = [next(item for item in named[row] if item not in bought) for _, row in best]
                found[number] = RankedList(history.user_id, tuple(ids), tuple(value for value, _ in best))
            done += len(chosen)
            notify(done, len(prompts))
        return [ranked for ranked in found if ranked is not None]

    def _closed(self, named: list[list[str]], seen_items: list[frozenset[str]]) -> "ExclusionMask":
        """Rows that mean nothing that may be named: for everybody, and for each history because all is bought."""
        shut = torch.tensor([not same for same in named], dtype=torch.long)
        rows = [
            sorted(
                {self._row[item] for item in bought if item in self._row and bought.issuperset(named[self._row[item]])}
            )
            for bought in seen_items
        ]
        rows = [[row for row in own if named[row]] for own in rows]
        width = max(map(len, rows), default=0)
        filled = torch.tensor([own + [len(named)] * (width - len(own)) for own in rows], dtype=torch.long)
        total = torch.cat([torch.zeros(1, dtype=torch.long), shut.cumsum(0)])
        return ExclusionMask(total.to(self.model.device), filled.view(len(rows), width).to(self.model.device))


class ExclusionMask:
    """Which rows of a trie must not be found, counted for any range of rows without looking at each.

    Parameters
    ----------
    total
        (N + 1,) how many rows before each are closed to all histories.
    own
        (B, H) further rows closed to each history, in order, filled up with N.
    """

    def __init__(self, total: Tensor, own: Tensor) -> None:
        self.total, self.own = total, own

    def all_of(self, low: Tensor, high: Tensor) -> Tensor:
        """(B, C) whether all of the rows from ``low`` (B, C) up to ``high`` are closed."""
        shut = self.total[high] - self.total[low]
        if self.own.shape[1]:
            shut = shut + torch.searchsorted(self.own, high) - torch.searchsorted(self.own, low)
        return shut >= high - low


def search(
    branches: TreeDecoder, trie: Trie, closed: ExclusionMask, beams: int, k: int, scoring: str = "sum"
) -> tuple[Tensor, Tensor]:
    """The k best rows of a trie behind each of B prompts.

    In each step the ``beams`` best continuations go on, to the next node at which there is a choice. Where only one
    title is left, the rest of it is computed in the same pass, and the title is found. What can no longer be among the
    k best is dropped (a score only falls), and when nothing is left the search is over.

    Returns
    -------
    scores, rows
        (B, k), best first; a score of minus infinity stands for no row.
    """
    size, device = len(branches.lengths), trie.token.device
    best = torch.full((size, k), -torch.inf, device=device)
    rows = torch.zeros(size, k, dtype=torch.long, device=device)
    beam = Beam(
        torch.zeros(size, 1, dtype=torch.long, device=device), torch.zeros(size, 1, device=device), branches.seen
    )
    states, line = branches.last, torch.arange(size, device=device)[:, None]
    while len(states):
        child, value = _children(trie, closed, beam, branches.logits(states), line)
        reach = value / trie.most[child] if scoring == "mean" else value
        value, chosen = value.masked_fill(reach < best[:, -1:], -torch.inf).topk(min(beams, child.shape[1]))
        source = chosen.div(child.shape[1] // beam.node.shape[1], rounding_mode="floor")
        seen = beam.seen.gather(1, source[..., None].expand(-1, -1, beam.seen.shape[2]))
        node = child.gather(1, chosen)
        over = trie.count[node] == 0
        beam, states, line = _go_on(branches, trie, Beam(node, value, seen), over)
        row = trie.low[node]
        final = beam.score / trie.length[row] if scoring == "mean" else beam.score
        found = torch.cat([best, final.masked_fill(~over, -torch.inf)], 1)
        best, chosen = found.sort(dim=1, descending=True, stable=True)
        best, rows = best[:, :k], torch.cat([rows, row], 1).gather(1, chosen[:, :k])
        beam.score = beam.score.masked_fill(over, -torch.inf)
    return best, rows


@dataclass(slots=True)
class Beam:
    """Where W beams of each of B prompts stand: node (B, W), score (B, W), and the places seen (B, W, S).

    A score of minus infinity stands for no beam.
    """

    node: Tensor
    score: Tensor
    seen: Tensor


def _children(trie: Trie, closed: ExclusionMask, beam: Beam, logits: Tensor, line: Tensor) -> tuple[Tensor, Tensor]:
    """The children (B, W * C) of all beams and their scores, minus infinity where there is none.

    ``line`` (B, W) says which row of the ``logits`` (F, V) is a beam's.
    """
    live = beam.score.isfinite()
    count = trie.count[beam.node].masked_fill(~live, 0)
    steps = torch.arange(max(1, int(count.max())), device=beam.node.device)
    real = steps < count[..., None]
    child = torch.where(real, trie.first[beam.node][..., None] + steps, 0)
    token = trie.token[child]
    index = line[..., None] * logits.shape[1] + token.clamp(min=0)
    gain = logits.flatten()[index] - logits.logsumexp(1)[line][..., None]
    value = beam.score[..., None] + gain.masked_fill(token < 0, 0.0)  # to be over is no token, and costs nothing
    child = child.flatten(1)
    shut = closed.all_of(trie.low[child], trie.high[child])
    return child, value.flatten(1).masked_fill(shut | ~real.flatten(1), -torch.inf)


def _go_on(branches: TreeDecoder, trie: Trie, beam: Beam, over: Tensor) -> tuple[Beam, Tensor, Tensor]:
    """Compute the token of each beam with those behind it that leave no choice: all the rest, where it is ``over``.

    Returns the beams at the nodes reached, the states (F, D) after the F of them that are not over, and (B, W) which of
    the states is whose.
    """
    node, row = beam.node, trie.low[beam.node]
    depth, end = trie.depth[node], trie.end[node]
    live = beam.score.isfinite()
    stop = torch.where(over, trie.length[row] - 1, trie.depth[end])  # the last token of a title predicts nothing
    count = (stop - depth + 1).masked_fill(~live, 0).clamp(min=0)
    line = ((live & ~over).flatten().cumsum(0) - 1).clamp(min=0).view(over.shape)
    if not count.any():
        return Beam(end, beam.score, beam.seen), branches.last[:0], line
    index = (depth - 1)[..., None] + torch.arange(int(count.max()) + 1, device=node.device)
    tokens = trie.sequences[row[..., None], index.clamp(0, trie.longest - 1)].clamp(min=0)
    hidden, inside, seen = branches.grow(tokens[..., :-1], count, depth - 1, beam.seen, over)
    last = inside & (torch.arange(inside.shape[2], device=node.device) + 1 == count[..., None]) & ~over[..., None]
    forced = inside & ~last
    gains = torch.zeros(inside.shape, device=node.device)
    gains[forced] = branches.log_probability(hidden[forced[inside]], tokens[..., 1:][forced])
    return Beam(end, beam.score + gains.sum(2), seen), hidden[last[inside]], line


def _encoded(builder: PromptBuilder, tokenizer: Tokenizer) -> dict[tuple[int, ...], list[str]]:
    """The items of each sequence of tokens: a title with what closes an answer; items by their id."""
    over = ending(builder, tokenizer)
    meant: dict[tuple[int, ...], list[str]] = {}
    for item in sorted(builder.catalogue):
        if title := tokenizer.encode(builder.title(item)):
            meant.setdefault((*title, *over), []).append(item)
    return meant


def _only(items: list[list[str]], allowed: frozenset[str]) -> list[list[str]]:
    return [[item for item in same if item in allowed] for same in items]
