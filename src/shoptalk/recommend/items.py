"""Recommending with item tokens: one forward pass per history, one matrix product for the whole catalogue."""

import math
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shoptalk.errors import ModelError
from shoptalk.graph.interactions import InteractionMatrix
from shoptalk.length_batching import length_batches
from shoptalk.models.items import ItemTable, ItemTokens
from shoptalk.models.language_model import LanguageModel
from shoptalk.progress import Notify, quiet
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.ranking import BLOCK_SCORES, Bools, history_entries, top_k
from shoptalk.recommend.index import Index, nearest_items
from shoptalk.recommend.item_scores import ItemTokenRecommender
from shoptalk.recommend.transition_text import TransitionTextScorer
from shoptalk.schema import History, RankedList

#: Tokens of a batch.
BATCH_TOKENS = 16384
#: The index is searched for this many times k items, because the scorer changes their order.
INDEX_FACTOR = 5
#: Least share of allowed items with which the index is used; with fewer it would mostly read excluded items.
INDEX_SHARE = 0.02


class ItemRecommender(ItemTokenRecommender):
    """A language model with item tokens: the whole catalogue in one pass.

    Parameters
    ----------
    model, builder
        The model, and the prompt builder of its training.
    scorer
        A scorer of the same items, whose scores are added to the model's.
    index
        An index of the same items (see `shoptalk.recommend.index.open_index`); lists are then approximate.
    """

    def __init__(
        self,
        model: LanguageModel,
        builder: PromptBuilder,
        scorer: TransitionTextScorer | None = None,
        index: Index | None = None,
    ) -> None:
        if model.items is None:
            raise ModelError("this model has no item tokens", hint='train with prompt.task = "next_item"')
        super().__init__(model, builder, model.items.ids, scorer)
        self.model, self.cut = model, 0
        self.table, self.index = _frozen(model.items), index

    @torch.inference_mode()
    def states(self, histories: Sequence[History]) -> Tensor:
        """Hidden states (B, D) of the histories, in the space of the item embeddings, in fp32."""
        encoded = [self.ask(history) for history in histories]
        self.cut = sum(cut for _, cut in encoded)
        prompts = [ids or [self.model.tokenizer.pad_id] for ids, _ in encoded]
        states = torch.empty(len(prompts), self.table.vectors.shape[1], device=self.model.device)
        for batch in length_batches([len(prompt) for prompt in prompts], BATCH_TOKENS):
            numbers = batch.tolist()
            states[numbers] = self._last([prompts[number] for number in numbers])
        return states

    def _last(self, prompts: list[list[int]]) -> Tensor:
        """Hidden states (b, D) at the ends of prompts, padded on the right, which a causal model ignores."""
        width = max(map(len, prompts))
        ids = torch.zeros(len(prompts), width, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, : len(prompt)] = torch.tensor(prompt)
        # `nano` is small: in fp32 as in `shoptalk.models.numpy_model`, so that both give the same scores.
        with nullcontext() if self.model.base == "nano" else self.model.autocast():
            hidden = self.model.hidden(ids.to(self.model.device), table=self.table)
        ends = torch.tensor([len(prompt) - 1 for prompt in prompts], device=hidden.device)
        return hidden[torch.arange(len(prompts), device=hidden.device), ends].float()

    @torch.inference_mode()
    def score_all(self, histories: Sequence[History]) -> NDArray[np.float32]:
        """Scores (B, I) of all items: the logits of their tokens plus the scores of the scorer."""
        return np.asarray(self._scores(histories).cpu().numpy(), dtype=np.float32)

    def _scores(self, histories: Sequence[History]) -> Tensor:
        """Scores (B, I) of all items, on the model's device."""
        scores = torch.addmm(self.table.biases, self.states(histories), self.table.vectors.T)
        if self.scorer is None:
            return scores
        added_scores = self.scorer.scores(InteractionMatrix.of(histories, self.item_index))
        return scores.add_(torch.from_numpy(added_scores).to(scores.device))

    @torch.inference_mode()
    def rank(
        self,
        histories: Sequence[History],
        k: int,
        *,
        allowed: Bools | None = None,
        exclude_history: bool = True,
        targets: Sequence[str] | None = None,
        notify: Notify = quiet,
    ) -> list[RankedList]:
        """The k best items of each history (see `Recommender`), in one pass over the whole catalogue."""
        if targets is not None:  # the rank of a target needs all scores
            return super().rank(
                histories, k, allowed=allowed, exclude_history=exclude_history, targets=targets, notify=notify
            )
        lists: list[RankedList] = []
        size = max(1, BLOCK_SCORES // max(1, len(self.items)))
        for start in range(0, len(histories), size):
            lists += self._best(histories[start : start + size], k, allowed, exclude_history)
            notify(len(lists), len(histories))
        return lists

    def _best(
        self, histories: Sequence[History], k: int, allowed: Bools | None, exclude_history: bool
    ) -> list[RankedList]:
        """The k best items of each history of a block, from the index where it finds k items, else from all scores."""
        if self.index is not None and (allowed is None or allowed.mean() >= INDEX_SHARE):
            lists = self._near(self.index, histories, k, allowed, exclude_history)
            if min(map(len, (ranked.items for ranked in lists)), default=k) == k:
                return lists
        scores = self._scores(histories)
        if allowed is not None:
            scores.masked_fill_(torch.from_numpy(~allowed).to(scores.device), -torch.inf)
        if exclude_history:
            rows, columns = history_entries(histories, self.item_index)
            scores[torch.from_numpy(rows), torch.from_numpy(columns)] = -torch.inf
        best, indices = _top(scores, k)
        return [
            RankedList(history.user_id, *self._listed(row_scores, row_indices))
            for history, row_scores, row_indices in zip(histories, best.tolist(), indices.tolist(), strict=True)
        ]

    def _near(
        self,
        index: Index,
        histories: Sequence[History],
        k: int,
        allowed: Bools | None,
        exclude_history: bool,
    ) -> list[RankedList]:
        """The k best of the candidates of index and scorer; fewer if there are fewer candidates."""
        purchases = InteractionMatrix.of(histories, self.item_index)
        longest = int(np.bincount(purchases.row, minlength=1).max())
        states = self.states(histories).cpu().numpy()
        lists = []
        size = INDEX_FACTOR * k + longest
        neighbours = nearest_items(index, self.table, self.scorer, purchases, states, size, allowed)
        for row, (history, candidates) in enumerate(zip(histories, neighbours, strict=True)):
            scores = candidates.scores
            if exclude_history:
                scores[np.isin(candidates.indices, purchases.column[purchases.row == row])] = -np.inf
            best = np.argsort(-scores, kind="stable")[:k]
            listed = self._listed(scores[best].tolist(), candidates.indices[best].tolist())
            lists.append(RankedList(history.user_id, *listed))
        return lists

    def _listed(self, scores: list[float], indices: list[int]) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """Ids and scores of a list, without items whose score is minus infinity, which come last."""
        count = sum(score > -math.inf for score in scores)
        return tuple(self.items[index] for index in indices[:count]), tuple(scores[:count])


def _top(scores: Tensor, k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k highest scores of each row, and their columns, (B, I) to (B, min(k, I)); ties as in `top_k`."""
    count = scores.shape[1]
    top = scores.topk(min(k + 1, count), dim=1)  # k + 1 to detect ties at the end
    values, indices = top.values.cpu().numpy(), top.indices.cpu().numpy()
    if count > k > 0:
        for row in np.flatnonzero((values[:, k] == values[:, k - 1]) & np.isfinite(values[:, k])).tolist():
            row_scores = scores[row].cpu().numpy()
            indices[row, :k] = top_k(row_scores[None], k)[0]
            values[row, :k] = row_scores[indices[row, :k]]
    values, indices = values[:, :k], indices[:, :k]
    order = np.lexsort((indices, -values), axis=1)
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(indices, order, axis=1)


def _frozen(items: ItemTokens) -> ItemTable:
    """The table of all items without dropout and gradients."""
    with torch.inference_mode():
        return items.eval().table()
