"""Metrics in the format of Prometheus; with several workers, the sums over all of them."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.exposition import CONTENT_TYPE_LATEST

#: Environment variable with the folder in which workers of one service keep their numbers; read by the library.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "shoptalk_requests",
            "Requests by route, method and status",
            ["route", "method", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "shoptalk_request_seconds", "Duration of requests", ["route"], buckets=_SECONDS, registry=registry
        )
        self.answers = Counter(
            "shoptalk_recommendations", "Lists of recommendations", ["arm", "method", "fallback"], registry=registry
        )
        self.batch_size = Histogram(
            "shoptalk_batch_size", "Requests handled together", ["queue"], buckets=_SIZES, registry=registry
        )
        self.batch_seconds = Histogram(
            "shoptalk_batch_seconds", "Duration of a batch", ["queue"], buckets=_SECONDS, registry=registry
        )
        self.waiting = Gauge(
            "shoptalk_waiting", "Requests that wait", ["queue"], registry=registry, multiprocess_mode="livesum"
        )
        self.refused = Counter("shoptalk_refused", "Requests refused", ["reason"], registry=registry)
        self.events = Counter("shoptalk_events", "Events by what became of them", ["result"], registry=registry)
        self.unlogged = Counter(
            "shoptalk_unlogged_recommendations", "Answers that could not be logged", registry=registry
        )
        self.reloads = Counter(
            "shoptalk_reloads", "Runs, rules and catalogues taken up or refused", ["what", "result"], registry=registry
        )
        self.items = Gauge("shoptalk_items", "Products on offer", registry=registry, multiprocess_mode="livemax")
        self.database = Gauge(
            "shoptalk_database_up", "Whether the database answers", registry=registry, multiprocess_mode="livemin"
        )

    def observe_batch(self, queue: str) -> Callable[[int, float], None]:
        """What a batcher calls after each batch."""
        sizes, seconds = self.batch_size.labels(queue), self.batch_seconds.labels(queue)

        def observe(size: int, duration: float) -> None:
            sizes.observe(size)
            seconds.observe(duration)

        return observe

    def text(self) -> bytes:
        """All metrics, of all workers."""
        registry = self.registry
        if os.environ.get(FOLDER):
            registry = CollectorRegistry()
            _Workers(registry)
        return generate_latest(registry)


class _Workers(multiprocess.MultiProcessCollector):
    """The numbers of all workers, without those of a worker that could not begin to write: its file is empty."""

    def collect(self) -> Iterable[Any]:
        """All metrics."""
        files = []
        for path in Path(self._path).glob("*.db"):
            with suppress(FileNotFoundError):  # a worker that was replaced in this moment
                if path.stat().st_size:
                    files.append(str(path))
        return self.merge(files)


def forget_worker(pid: int) -> None:
    """Leave the gauges of a worker that has ended out of the sums."""
    if os.environ.get(FOLDER) and Path(os.environ[FOLDER]).is_dir():
        multiprocess.mark_process_dead(pid)
