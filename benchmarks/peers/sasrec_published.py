"""SASRec as published implementations build it, on a dataset folder of shoptalk, beside the baseline `sasrec`.

    python benchmarks/peers/sasrec_published.py DATASET --out lists.jsonl [--width 64] [--dropout 0.6] [--json]
    shoptalk score lists.jsonl --k 10

The architecture of W.-C. Kang, J. McAuley (ICDM 2018) in plain PyTorch: learned positions, layer normalisation of the
queries, one head, a pointwise feed-forward of two layers with ReLU, item embeddings tied to the output and, at input,
multiplied by the square root of the width; softmax over the whole catalogue. The default settings are those of the
configuration with which CE-SCE-LLMRec reports .0986 / .0597 on its file of Beauty: width 64, two blocks, one head,
dropout .6, Adam with learning rate 5e-4 and weight decay 1e-8, batches of 512 users, histories of 50.

It learns from the training rows alone, keeps the weights of the epoch with the best NDCG@10 of the validation purchases
(whole catalogue, history excluded), and ranks the test users once. Batches hold histories of similar length, so that
little is padded; positions count from the end of the history, as with padding on the left.
"""

import argparse
import copy
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shoptalk.data.dataset import open_dataset
from shoptalk.files import replacing
from shoptalk.training.cross_entropy import fused_cross_entropy

LONGEST, PAD, BLOCK, CUT = 50, -1, 512, 10


class Feedforward(nn.Module):
    """Two linear layers with ReLU and dropout, and the input added."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, width), nn.Dropout(dropout), nn.ReLU(), nn.Linear(width, width), nn.Dropout(dropout)
        )

    def forward(self, states: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        return states + self.layers(states)


class SASRec(nn.Module):
    """The network; items are numbers from 0, and `PAD` stands on the left of short histories."""

    def __init__(self, items: int, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.items, self.positions = nn.Embedding(items, width), nn.Embedding(LONGEST, width)
        self.dropout = nn.Dropout(dropout)
        self.query_norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-8) for _ in range(blocks))
        self.attention = nn.ModuleList(
            nn.MultiheadAttention(width, 1, dropout=dropout, batch_first=True) for _ in range(blocks)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-8) for _ in range(blocks))
        self.feedforward = nn.ModuleList(Feedforward(width, dropout) for _ in range(blocks))
        self.last_norm = nn.LayerNorm(width, eps=1e-8)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.xavier_normal_(module.weight)

    def forward(self, histories: Tensor) -> Tensor:
        """States (B, T, D) of histories (B, T)."""
        length, padded = histories.shape[1], (histories == PAD)[..., None]
        states = self.items(histories.clamp(min=0)) * self.items.embedding_dim**0.5
        states = self.dropout(states + self.positions.weight[LONGEST - length :]).masked_fill(padded, 0)
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        for query_norm, attention, norm, feedforward in zip(
            self.query_norms, self.attention, self.norms, self.feedforward, strict=True
        ):
            queries = query_norm(states)
            states = states + attention(queries, states, states, attn_mask=later, need_weights=False)[0]
            states = feedforward(norm(states)).masked_fill(padded, 0)
        return self.last_norm(states)


def padded(histories: list[NDArray[np.int64]]) -> Tensor:
    """(B, T) with `PAD` on the left; the latest `LONGEST` items of each."""
    length = min(LONGEST, max(map(len, histories)))
    rows = np.full((len(histories), length), PAD, dtype=np.int64)
    for row, history in zip(rows, histories, strict=True):
        row[length - min(length, len(history)) :] = history[-length:]
    return torch.from_numpy(rows)


def batches(histories: list[NDArray[np.int64]], users: int, random: np.random.Generator) -> Iterator[Tensor]:
    """All histories once: batches of similar length, in random order."""
    order = random.permutation(len(histories))
    order = order[np.argsort([len(histories[user]) for user in order], kind="stable")]
    starts = np.arange(0, len(order), users)
    for start in random.permutation(starts):
        yield padded([histories[user] for user in order[start : start + users]])


@torch.no_grad()
def ranking(network: SASRec, histories: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The first `CUT` items (N, CUT) of the whole catalogue, without those of the history."""
    network.eval()
    found = []
    for start in range(0, len(histories), BLOCK):
        block = histories[start : start + BLOCK]
        scores = network(padded(block))[:, -1] @ network.items.weight.T
        for row, history in zip(scores, block, strict=True):
            row[torch.from_numpy(history)] = -torch.inf
        found.append(scores.topk(CUT, 1).indices.numpy())
    return np.concatenate(found)


def ndcg(ranked: NDArray[np.int64], targets: NDArray[np.int64]) -> float:
    """Mean NDCG@10 with one target each: 1 / log2(rank + 1), zero outside the list."""
    hit = ranked == targets[:, None]
    return float((hit / np.log2(np.arange(2, CUT + 2))).sum(1).mean())


def main() -> None:
    """Train, then write the lists of the test users."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--dropout", type=float, default=0.6)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--epochs", type=int, default=140)
    parser.add_argument("--patience", type=int, default=15)
    parser.add_argument("--batch-users", type=int, default=512)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    dataset = open_dataset(given.data)
    split, ids = dataset.split(), sorted(dataset.catalogue)
    number = {item: place for place, item in enumerate(ids)}
    train, validation, test = (
        [np.array([number[item] for item in history.items], dtype=np.int64) for history in histories]
        for histories in (
            split.train,
            [case.history for case in split.validation],
            [case.history for case in split.test],
        )
    )
    train = [history for history in train if len(history) > 1]
    targets = np.array([number[case.targets[0]] for case in split.validation], dtype=np.int64)
    torch.manual_seed(given.seed)
    random = np.random.default_rng(given.seed)
    network = SASRec(len(ids), given.width, given.blocks, given.dropout)
    optimiser = torch.optim.Adam(network.parameters(), lr=given.learning_rate, weight_decay=1e-8)
    best, best_epoch, weights = -1.0, 0, network.state_dict()
    for epoch in range(1, given.epochs + 1):
        begin, losses = time.process_time(), []
        network.train()
        for rows in batches(train, given.batch_users, random):
            inputs, labels = rows[:, :-1], rows[:, 1:]
            learned = inputs != PAD
            states = network(inputs)[learned]
            loss = fused_cross_entropy(states, network.items.weight, None, labels[learned], torch.float32) / len(states)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        value = ndcg(ranking(network, validation), targets)
        if value > best:
            best, best_epoch, weights = value, epoch, copy.deepcopy(network.state_dict())
        seconds = time.process_time() - begin
        print(f"epoch {epoch}: loss {np.mean(losses):.4f}, validation NDCG@10 {value:.4f}, {seconds:.0f} s", flush=True)
        if epoch - best_epoch >= given.patience:
            break
    network.load_state_dict(weights)
    ranked = ranking(network, test)
    with replacing(given.out) as temporary:
        lines = (
            json.dumps(
                {"user": case.history.user_id, "truth": list(case.targets), "ranked": [ids[item] for item in row]}
            )
            for case, row in zip(split.test, ranked, strict=True)
        )
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    summary = {"best_epoch": best_epoch, "validation_ndcg@10": best, "epochs": epoch, "users": len(test)}
    print(json.dumps(summary) if given.json else summary)


if __name__ == "__main__":
    main()
