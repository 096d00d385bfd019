"""RecTools' SASRec on a dataset folder of ours: the same rows, the same test, and its lists for `shoptalk score`.

RecTools needs older libraries than shoptalk does, so it gets an environment of its own:

    python3.11 -m venv /tmp/rectools
    /tmp/rectools/bin/pip install "rectools[torch]==0.19" "torch<2.14" "numpy<2" "pyarrow<22"
    /tmp/rectools/bin/python benchmarks/peers/rectools_sasrec.py DATASET --out lists.jsonl --minutes 25 --json
    shoptalk score lists.jsonl --k 10

The settings are those with which its authors report .0921 / .0531 on Beauty (blondered/transformer_benchmark): one
block, one head, dropout .2, learning rate 1e-3, histories of 50, 256 uniform negatives for each position, batches of
128 users. It learns from the training rows (leave-one-out: all purchases but a user's last two), is stopped by NDCG@10
on the validation purchases over the whole catalogue, and is asked for the test purchases after everything before them;
what was bought is left out. Nothing of shoptalk is imported.

A step makes tensors of hundreds of megabytes, and a third of its time goes to the system's handing out that memory:
with MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=16000000000 in the environment glibc keeps it.
"""

import argparse
import copy
import json
import logging
import math
import resource
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, LightningModule, Trainer, seed_everything
from rectools import Columns
from rectools.models import SASRecModel
from rectools_models import as_dataset, read_rows

CUT = 10
#: Users whose validation scores are made at a time.
BLOCK = 512


class Watch(Callback):
    """Times each epoch, scores the validation purchases after it, keeps the best weights, and stops in time."""

    def __init__(self, sessions: list[list[str]], targets: list[str], given: argparse.Namespace) -> None:
        self.sessions, self.targets, self.given = sessions, targets, given
        self.rows: list[dict[str, float]] = []
        self.best: dict[str, torch.Tensor] = {}
        self.preparator: Any = None
        self.batches = 0
        self.begin = time.process_time()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Watch":
        """Itself: RecTools copies its trainer before training, and what is seen is wanted here."""
        return self

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Start the clocks: wall, and processor time, which a busy or stopped machine does not spoil."""
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clocks, then look at the validation purchases."""
        seconds, processor = time.perf_counter() - self.wall, time.process_time() - self.processor
        whole = self.batches / (self.given.batches or self.batches)  # a part of an epoch is made up to a whole one
        row = {"epoch": len(self.rows) + 1, "seconds": seconds * whole, "cpu_seconds": processor * whole}
        row["ndcg@10"] = self._ndcg(pl_module.torch_model)
        row["loss"] = float(trainer.callback_metrics["train_loss"])
        self.rows.append(row)
        if row["ndcg@10"] >= max(each["ndcg@10"] for each in self.rows):
            self.best = copy.deepcopy(pl_module.torch_model.state_dict())
        waited = len(self.rows) - self.best_epoch
        late = time.process_time() - self.begin + processor > 60 * self.given.minutes
        trainer.should_stop = waited >= self.given.patience or late
        logging.info("epoch %d: %.1f s, validation NDCG@10 %.4f", row["epoch"], processor, row["ndcg@10"])

    @property
    def best_epoch(self) -> int:
        """Epoch with the highest validation NDCG@10, from 1."""
        return 1 + int(np.argmax([row["ndcg@10"] for row in self.rows]))

    @torch.no_grad()
    def _ndcg(self, network: torch.nn.Module) -> float:
        """Mean of 1 / log2(1 + rank), 0 beyond rank 10 and for a target that training does not know."""
        network.eval()
        vectors = network.item_model.get_all_embeddings()
        indices = {item: index for index, item in enumerate(self.preparator.item_id_map.external_ids)}
        gain = 0.0
        for start in range(0, len(self.sessions), BLOCK):
            group = self.sessions[start : start + BLOCK]
            read = np.zeros((len(group), self.given.history), dtype=np.int64)
            known = [[indices[item] for item in items if item in indices] for items in group]
            for row, items in enumerate(known):
                last = items[-self.given.history :]
                read[row, len(read[row]) - len(last) :] = last
            states = network.encode_sessions({"x": torch.from_numpy(read)}, vectors)[:, -1]
            scores = states @ vectors.T  # (users, items and the padding)
            scores[:, 0] = -torch.inf
            for row, items in enumerate(known):
                target = indices.get(self.targets[start + row])
                if target is None:
                    continue
                own = scores[row, target].clone()
                scores[row, items] = -torch.inf
                rank = 1 + int((scores[row] > own).sum())
                gain += 1 / np.log2(1 + rank) if rank <= CUT else 0.0
        network.train()
        return gain / max(1, len(self.sessions))


def fit(rows: pd.DataFrame, given: argparse.Namespace) -> tuple[SASRecModel, Watch]:
    """Train until it gets no better, or the time is over; the model is left with the best weights."""
    seed_everything(given.seed, verbose=False)
    learned = rows[rows["split"] == "train"]
    asked = rows[rows["split"] == "validation"].drop_duplicates("user_id").set_index("user_id")["item_id"]
    if len(asked) > given.validate:
        asked = asked.sample(given.validate, random_state=given.seed)
    histories = learned.groupby("user_id")["item_id"].agg(list)
    asked = asked[asked.index.isin(histories.index)]
    watch = Watch([histories[user] for user in asked.index], asked.tolist(), given)
    model = SASRecModel(
        n_blocks=given.blocks, n_heads=given.heads, n_factors=given.factors, dropout_rate=0.2,
        session_max_len=given.history, loss=given.loss, n_negatives=given.negatives, lr=1e-3, batch_size=given.batch,
        recommend_torch_device="cpu",
    )  # fmt: skip
    watch.preparator, watch.batches = model.data_preparator, math.ceil(len(histories) / given.batch)
    model._trainer = Trainer(
        max_epochs=given.epochs, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=[watch],
        limit_train_batches=given.batches or 1.0,
    )  # fmt: skip
    model.fit(as_dataset(learned))
    model.lightning_model.torch_model.load_state_dict(watch.best)
    return model, watch


def write_lists(model: SASRecModel, rows: pd.DataFrame, k: int, out: Path) -> int:
    """The k best of the whole catalogue for each test purchase, after everything before it; a user each line."""
    test = rows[rows["split"] == "test"].groupby("user_id")["item_id"].agg(list)
    before = rows[(rows["split"] != "test") & rows["user_id"].isin(test.index)]
    users, shown = test.index.to_numpy(), as_dataset(before)
    found = model.recommend(users, shown, k=k, filter_viewed=True, on_unsupported_targets="ignore")
    lists = found.sort_values([Columns.User, Columns.Rank]).groupby(Columns.User)[Columns.Item].agg(list).to_dict()
    with out.open("w", encoding="utf-8") as file:
        for user, relevant_items in test.items():
            file.write(json.dumps({"user": user, "truth": relevant_items, "ranked": lists.get(user, [])}) + "\n")
    return len(test)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="a folder that `shoptalk prepare` wrote")
    parser.add_argument("--out", type=Path, help="where the lists go, as JSON lines")
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=1)
    parser.add_argument("--heads", type=int, default=1)
    parser.add_argument("--loss", choices=["sampled_softmax", "softmax"], default="sampled_softmax")
    parser.add_argument("--negatives", type=int, default=256)
    parser.add_argument("--history", type=int, default=50)
    parser.add_argument("--batch", type=int, default=128, help="users")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--patience", type=int, default=50)
    parser.add_argument(
        "--minutes", type=float, default=25, help="of the processor; no epoch begins that would end later"
    )
    parser.add_argument("--validate", type=int, default=4096, help="users whose validation purchase is looked at")
    parser.add_argument("--users", type=int, default=0, help="only the first as many; 0: all")
    parser.add_argument("--batches", type=int, default=0, help="of an epoch, for a look at the speed; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name in ("pytorch_lightning", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    rows = read_rows(given.dataset, given.users)
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model, watch = fit(rows, given)
    learned = rows[rows["split"] == "train"]
    report = {
        "users": int(learned["user_id"].nunique()),
        "items": len(model.data_preparator.get_known_item_ids()),
        "targets": len(learned) - int(learned["user_id"].nunique()),
        "parameters": sum(p.numel() for p in model.torch_model.parameters()),
        "epochs": len(watch.rows),
        "best_epoch": watch.best_epoch,
        "validation_ndcg@10": watch.rows[watch.best_epoch - 1]["ndcg@10"],
        "seconds_per_epoch": float(np.median([row["seconds"] for row in watch.rows])),
        "cpu_seconds_per_epoch": float(np.median([row["cpu_seconds"] for row in watch.rows])),
        "seconds": time.perf_counter() - begin,
        "memory": 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before),  # Linux counts in KiB
        "threads": torch.get_num_threads(),
        "losses": watch.rows,
    }
    report["targets_per_second"] = report["targets"] / report["seconds_per_epoch"]
    if given.out:
        report["lists"] = write_lists(model, rows, CUT, given.out)
    if given.json:
        print(json.dumps(report))
        return
    print(
        f"{report['epochs']} epochs of {report['seconds_per_epoch']:.1f} s ({report['targets_per_second']:,.0f} "
        f"learned purchases a second), best after {report['best_epoch']}: "
        f"validation NDCG@10 {report['validation_ndcg@10']:.4f}"
    )


if __name__ == "__main__":
    main()
