"""Workers that run the trials of a sweep: one at a time in this process, or several at once in child processes.

A child process ends when the process of the sweep ends, even if that is killed: no worker of an earlier process writes
to a sweep that is resumed. Plugins (`shoptalk.plugins`) are loaded by each child process when a trial needs them.
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
from shoptalk.system import threads

#: Called with the number of a trial and its event; returns whether the trial must stop.
Listen = Callable[[int, Event], bool]


class Workers(Protocol):
    """Runs trials; a context manager that ends running trials on exit."""

    def free(self) -> bool:
        """Whether another trial can be started."""
        ...

    def busy(self) -> bool:
        """Whether a trial is running."""
        ...

    def start(self, number: int, trial: Trial) -> None:
        """Start a trial."""
        ...

    def step(self) -> None:
        """Run until the next event."""
        ...

    def __enter__(self) -> Self:
        """Return the workers."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the running trials."""
        ...


def make_workers(jobs: int, listen: Listen) -> Workers:
    """Workers that run up to ``jobs`` trials at once."""
    return InProcessWorker(listen) if jobs == 1 else ProcessPool(jobs, listen)


class InProcessWorker:
    """Runs one trial at a time in this process."""

    def __init__(self, listen: Listen) -> None:
        self._listen = listen
        self._waiting: tuple[int, Trial] | None = None

    def free(self) -> bool:
        """Whether another trial can be started."""
        return self._waiting is None

    def busy(self) -> bool:
        """Whether a trial is running."""
        return self._waiting is not None

    def start(self, number: int, trial: Trial) -> None:
        """Store a trial for the next `step`."""
        self._waiting = number, trial

    def step(self) -> None:
        """Run the stored trial to its end."""
        assert self._waiting is not None
        number, trial = self._waiting
        self._waiting = None
        self._listen(number, run_trial(trial, lambda event: self._listen(number, event)))

    def __enter__(self) -> Self:
        """Return self; there is nothing to start."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: no trial runs outside of `step`."""


@dataclass
class _Worker:
    """A child process with its pipe, and the number of its trial if it has one."""

    process: Any
    pipe: Connection
    number: int | None = None


class ProcessPool:
    """Runs up to ``jobs`` trials at once, each in a child process with an equal share of the cores."""

    def __init__(self, jobs: int, listen: Listen) -> None:
        self._jobs, self._listen, self._workers = jobs, listen, list[_Worker]()

    def __enter__(self) -> Self:
        """Return self; child processes are started by `start`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the child processes."""
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()

    def free(self) -> bool:
        """Whether another trial can be started."""
        return len(self._workers) < self._jobs or any(worker.number is None for worker in self._workers)

    def busy(self) -> bool:
        """Whether a trial is running."""
        return any(worker.number is not None for worker in self._workers)

    def start(self, number: int, trial: Trial) -> None:
        """Send a trial to an idle worker, or to a new one."""
        worker = next((worker for worker in self._workers if worker.number is None), None) or self._new()
        worker.number = number
        _send(worker, trial)

    def step(self) -> None:
        """Wait for events and answer them; if a worker died, only its trial fails.

        Raises
        ------
        StorageError
            If the disk is full.
        """
        ready = wait([worker.pipe for worker in self._workers])
        for worker in [worker for worker in self._workers if worker.pipe in ready]:
            try:
                event = worker.pipe.recv()
            except (EOFError, ConnectionError):
                self._remove(worker)
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
        """Start a child process."""
        pipe, child_pipe = get_context("spawn").Pipe()
        process = get_context("spawn").Process(target=_work, args=(child_pipe, threads(self._jobs)), daemon=True)
        process.start()
        child_pipe.close()
        self._workers.append(_Worker(process, pipe))
        return self._workers[-1]

    def _remove(self, worker: _Worker) -> None:
        """Remove a worker that died, and report its trial as failed."""
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join()
        if worker.number is not None:
            reason = f"its process ended with code {worker.process.exitcode} (-9: perhaps out of memory)"
            self._listen(
                worker.number, {"kind": "end", "state": "failed", "value": None, "says": reason, "seconds": None}
            )


def _send(worker: _Worker, message: Trial | bool) -> None:
    """Send a trial or an answer to a worker; if it has died, the next `ProcessPool.step` handles that."""
    with suppress(ConnectionError):
        worker.pipe.send(message)


def _work(pipe: Connection, count: int) -> None:
    """Run the trials that the pipe delivers, until the sweep closes it or ends."""
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the process of the sweep
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(count)
    os.environ["RAYON_NUM_THREADS"] = str(count)  # threads of the tokenizer
    with threadpool_limits(count):
        for trial in _received(pipe):
            try:
                pipe.send(run_trial(trial, lambda event: _ask(pipe, event)))
            except StorageError as error:
                pipe.send({"kind": "storage", "message": error.message, "where": error.where, "hint": error.hint})


def _received(pipe: Connection) -> Iterator[Trial]:
    """The trials that the pipe delivers, until it is closed."""
    try:
        while True:
            yield pipe.recv()
    except EOFError:
        return


def _ask(pipe: Connection, event: Event) -> bool:
    """Send an event; after an epoch, wait for the answer whether the trial must stop."""
    pipe.send(event)
    return bool(pipe.recv()) if event["kind"] == "epoch" else False


def _end_with_parent() -> None:
    """End this process when its parent ends."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
