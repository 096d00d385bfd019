"""One trial of a sweep: a run on the sealed dataset, judged by validation cases.

What a trial tells the sweep are plain dictionaries: ``{"kind": "epoch", "epoch", "watched"}``, to which the sweep
answers whether to stop; ``{"kind": "progress", "share", "words"}``; and in the end ``{"kind": "end", "state", "value",
"seconds", "says"}``.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.errors import DatasetError, Diverged, ShoptalkError, StorageError
from shoptalk.evaluation.options import correctness
from shoptalk.recipe import Recipe
from shoptalk.runs import open_run, read_log
from shoptalk.stages.recommender import open_recommender
from shoptalk.stages.train import train

Event = dict[str, Any]
#: Tells the sweep an event; returns whether the trial is to stop.
SendEvent = Callable[[Event], bool]
#: Phases whose validation loss is in one unit, so that epochs can be compared; seconds between reports of progress.
COMPARED, QUIET = ("catalogue", "answers", "items"), 0.5


@dataclass(frozen=True, slots=True)
class Trial:
    """One configuration to try: its recipe, the run's folder, the sealed dataset, the metric."""

    recipe: Recipe
    folder: Path
    dataset: Path
    metric: str


class Pruned(Exception):
    """The sweep has stopped the trial."""


def run_trial(trial: Trial, send: SendEvent) -> Event:
    """Train one configuration and judge it by validation cases; returns the event that ends it.

    Raises
    ------
    StorageError
        When the disk is full: another trial would not fare better.
    """
    begin = time.perf_counter()
    end: Event = {"kind": "end", "state": "failed", "value": None, "says": ""}
    try:
        shop = open_dataset(trial.dataset)
        if not shop.sealed:
            raise DatasetError("trials only run on a dataset whose test is sealed", where=str(trial.dataset))
        resume = (trial.folder / "run.json").exists()
        follow = _Follower(send, trial.metric)
        report = train(trial.recipe, trial.dataset, trial.folder, follow.progress, resume=resume, watch=[follow])
        value = measure(trial, report, shop)
        end |= {"value": value, "state": "complete"} if np.isfinite(value) else {"says": "nothing was learned"}
    except (Pruned, Diverged) as error:
        shutil.rmtree(trial.folder / "checkpoints", ignore_errors=True)
        end |= {"state": "pruned", "says": str(error)}
    except StorageError:
        raise
    except ShoptalkError as error:
        end["says"] = str(error)
    except Exception as error:  # one configuration that meets a bug must not cost the others
        end["says"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return end | {"seconds": time.perf_counter() - begin}


def measure(trial: Trial, report: Mapping[str, Any], shop: Dataset) -> float:
    """The metric of a trained run on validation cases; NaN where there is none."""
    best: dict[str, Any] = next((row for row in report["losses"] if row["epoch"] == report["best_epoch"]), {})
    if trial.metric != "accuracy":
        return float(best.get("validation" if trial.metric == "validation_loss" else trial.metric, np.nan))
    model: Any = open_recommender(open_run(trial.folder), shop)
    cases: Any = shop.split("last").validation
    scores = model.score([case.history for case in cases], [case.candidates for case in cases])
    return float(np.mean(correctness(scores, [case.answer for case in cases])))


class _Follower:
    """A tracker that tells the sweep what each epoch's validation cases say, and stops when it is told to."""

    def __init__(self, send: SendEvent, metric: str) -> None:
        self._send, self._metric = send, metric
        self._sent_at = 0.0

    def start(self, run: Path, step: int) -> None:
        """Tell again what an interrupted training had reached."""
        for event in read_log(run) if step else ():
            self.log(str(event.get("event")), step, event)

    def log(self, event: str, step: int, values: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Tell an epoch."""
        if event != "epoch" or values.get("phase") not in COMPARED:
            return
        watched = values.get("validation")
        if self._metric != "validation_loss" and watched is not None:  # these are to be large
            watched = values.get("ndcg@10", -watched)
        if watched is None or not np.isfinite(watched):
            return
        if self._send({"kind": "epoch", "epoch": values["epoch"], "watched": watched}):
            raise Pruned(f"worse than the median after {values['epoch']} epochs")

    def end(self, *, finished: bool) -> None:
        """Nothing is open."""

    def progress(self, stage: str, done: float, of: float, words: str) -> None:
        """Tell how far the trial is, now and then."""
        if time.monotonic() - self._sent_at >= QUIET:
            self._sent_at = time.monotonic()
            self._send({"kind": "progress", "share": done / of if stage == "train" else 0.0, "words": words})
