"""One trial of a sweep: a run on the sealed dataset, judged by validation cases.

A trial sends plain dictionaries to the sweep: ``{"kind": "epoch", "epoch", "watched"}``, to which the sweep answers
whether to stop; ``{"kind": "progress", "share", "words"}``; and in the end ``{"kind": "end", "state", "value",
"seconds", "says"}``.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shoptalk.data.dataset import open_dataset
from shoptalk.errors import DatasetError, Diverged, ShoptalkError, StorageError
from shoptalk.evaluation.options import correctness
from shoptalk.recipe import Recipe
from shoptalk.runs import read_log
from shoptalk.stages.train import train
from shoptalk.stages.trained_run import TrainedRun

Event = dict[str, Any]
#: Sends an event to the sweep; returns whether the trial must stop.
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
    """The sweep stopped the trial."""


def run_trial(trial: Trial, send: SendEvent) -> Event:
    """Train one configuration and measure it on validation cases; returns the event that ends it.

    Raises
    ------
    StorageError
        If the disk is full, which would stop the other trials too.
    """
    begin = time.perf_counter()
    end: Event = {"kind": "end", "state": "failed", "value": None, "says": ""}
    try:
        dataset = open_dataset(trial.dataset)
        if not dataset.sealed:
            raise DatasetError("trials only run on a dataset whose test is sealed", where=str(trial.dataset))
        resume = (trial.folder / "run.json").exists()
        follower = _Follower(send, trial.metric)
        trained = train(trial.recipe, dataset, trial.folder, follower.progress, resume=resume, watch=[follower])
        value = measure(trained, trial.metric)
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


def measure(trained: TrainedRun, metric: str) -> float:
    """The metric of a trained run on validation cases; NaN if there is none."""
    if metric == "accuracy":
        cases: Any = trained.dataset.split("last").validation
        scores = trained.recommender.score([case.history for case in cases], [case.candidates for case in cases])
        return float(np.mean(correctness(scores, [case.answer for case in cases])))
    training = trained.run.info["training"]
    best: dict[str, float] = next((row for row in training["losses"] if row["epoch"] == training["best_epoch"]), {})
    return float(best.get("validation" if metric == "validation_loss" else metric, np.nan))


class _Follower:
    """A tracker that sends the validation result of each epoch to the sweep, and stops if the sweep asks for it."""

    def __init__(self, send: SendEvent, metric: str) -> None:
        self._send, self._metric = send, metric
        self._sent_at = 0.0

    def start(self, run: Path, step: int) -> None:
        """Send the epochs of an interrupted training again."""
        for event in read_log(run) if step else ():
            self.log(str(event.get("event")), step, event)

    def log(self, event: str, step: int, values: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Send an epoch."""
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
        """Send the progress of the trial, at most every `QUIET` seconds."""
        if time.monotonic() - self._sent_at >= QUIET:
            self._sent_at = time.monotonic()
            self._send({"kind": "progress", "share": done / of if stage == "train" else 0.0, "words": words})
