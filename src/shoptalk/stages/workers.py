"""Where a sweep's trials run: one at a time in this process, or several at once in processes beside it.

A worker beside ends with the sweep that started it, however that ends: nothing goes on writing to a sweep that was
killed while another process resumes it.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Protocol, Self

import torch

from shoptalk.errors import StorageError
from shoptalk.stages.trial import Event, Trial, run_trial

#: Takes what a trial, by its number, tells; returns whether it is to stop.
Listen = Callable[[int, Event], bool]


class Workers(Protocol):
    """Runs trials; a context manager that ends whatever still runs."""

    def free(self) -> bool:
        """Whether another trial can begin."""
        ...

    def busy(self) -> bool:
        """Whether a trial is under way."""
        ...

    def start(self, number: int, trial: Trial) -> None:
        """Begin a trial."""
        ...

    def step(self) -> None:
        """Go on until something was told."""
        ...

    def __enter__(self) -> Self:
        """The workers."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what still runs."""
        ...


def make_workers(jobs: int, listen: Listen) -> Workers:
    """Workers for so many trials at once."""
    return Here(listen) if jobs == 1 else Beside(jobs, listen)


class Here:
    """Runs one trial at a time in this process."""

    def __init__(self, listen: Listen) -> None:
        self._listen = listen
        self._waiting: tuple[int, Trial] | None = None

    def free(self) -> bool:
        """Whether another trial can begin."""
        return self._waiting is None

    def busy(self) -> bool:
        """Whether a trial is under way."""
        return self._waiting is not None

    def start(self, number: int, trial: Trial) -> None:
        """Take a trial."""
        self._waiting = number, trial

    def step(self) -> None:
        """Run it."""
        assert self._waiting is not None
        number, trial = self._waiting
        self._waiting = None
        self._listen(number, run_trial(trial, lambda event: self._listen(number, event)))

    def __enter__(self) -> Self:
        """Nothing is to be started."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing goes on."""


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    number: int | None = None


class Beside:
    """Runs as many trials at once as there are workers, each with its own share of the cores."""

    def __init__(self, jobs: int, listen: Listen) -> None:
        self._jobs, self._listen, self._workers = jobs, listen, list[_Worker]()

    def __enter__(self) -> Self:
        """Workers are started as trials come."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers."""
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()

    def free(self) -> bool:
        """Whether another trial can begin."""
        return len(self._workers) < self._jobs or any(worker.number is None for worker in self._workers)

    def busy(self) -> bool:
        """Whether a trial is under way."""
        return any(worker.number is not None for worker in self._workers)

    def start(self, number: int, trial: Trial) -> None:
        """Give a trial to a worker that has none."""
        worker = next((worker for worker in self._workers if worker.number is None), None) or self._new()
        worker.number = number
        _send(worker, trial)

    def step(self) -> None:
        """Wait for what workers tell, and answer; a worker that died costs its trial and no more.

        Raises
        ------
        StorageError
            When a worker's disk is full.
        """
        ready = wait([worker.pipe for worker in self._workers])
        for worker in [worker for worker in self._workers if worker.pipe in ready]:
            try:
                event = worker.pipe.recv()
            except (EOFError, ConnectionError):
                self._bury(worker)
                continue
            if event["kind"] == "storage":
                raise StorageError(event["message"], where=event["where"], hint=event["hint"])
            assert worker.number is not None
            stop = self._listen(worker.number, event)
            if event["kind"] == "end":
                worker.number = None
            elif event["kind"] == "epoch":
                _send(worker, stop)

    def _new(self) -> _Worker:
        ours, theirs = get_context("spawn").Pipe()
        process = get_context("spawn").Process(target=_work, args=(theirs, threads(self._jobs)), daemon=True)
        process.start()
        theirs.close()
        self._workers.append(_Worker(process, ours))
        return self._workers[-1]

    def _bury(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join()
        if worker.number is not None:
            says = f"its process ended with code {worker.process.exitcode} (-9: perhaps out of memory)"
            self._listen(
                worker.number, {"kind": "end", "state": "failed", "value": None, "says": says, "seconds": None}
            )


def _send(worker: _Worker, what: Trial | bool) -> None:
    """Send something to a worker; of one that has died meanwhile, the next `Beside.step` finds the end."""
    with suppress(ConnectionError):
        worker.pipe.send(what)


def threads(jobs: int) -> int:
    """Threads for each of so many processes: their share of the cores, or fewer where OMP_NUM_THREADS says so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    own = max(1, cores // jobs)
    configured = os.environ.get("OMP_NUM_THREADS", "")
    return min(own, int(configured)) if configured.isdigit() and int(configured) else own


def _work(pipe: Connection, count: int) -> None:
    """Run the trials that come through the pipe, until the sweep is gone."""
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(count)
    os.environ["RAYON_NUM_THREADS"] = str(count)  # the tokenizer's
    with threadpool_limits(count):
        for trial in _received(pipe):
            try:
                pipe.send(run_trial(trial, lambda event: _ask(pipe, event)))
            except StorageError as error:
                pipe.send({"kind": "storage", "message": error.message, "where": error.where, "hint": error.hint})


def _received(pipe: Connection) -> Iterator[Trial]:
    try:
        while True:
            yield pipe.recv()
    except EOFError:
        return


def _ask(pipe: Connection, event: Event) -> bool:
    pipe.send(event)
    return bool(pipe.recv()) if event["kind"] == "epoch" else False


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
