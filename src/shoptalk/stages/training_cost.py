"""Seconds and joules of a training, summed over all sessions of a run that was interrupted and resumed."""

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from shoptalk.errors import RunError, StorageError
from shoptalk.files import read_json, write_json
from shoptalk.stages.energy import Meter
from shoptalk.typed_json import SchemaError, as_json, from_json

#: File in the folder of the checkpoints: the cost of the run so far.
FILE = "cost.json"
#: Seconds between two writes of the file, which is the most that is lost if the process is killed.
INTERVAL = 30.0


@dataclass(frozen=True, slots=True)
class TrainingCost:
    """Seconds, joules (None if unknown), and the parts whose joules were measured."""

    seconds: float = 0.0
    joules: float | None = None
    joules_of: tuple[str, ...] = ()

    def plus(self, other: "TrainingCost") -> "TrainingCost":
        """The sum; its joules are None if those of one are unknown, or if different parts were measured."""
        seconds = self.seconds + other.seconds
        if self.joules is None or other.joules is None or self.joules_of != other.joules_of:
            return TrainingCost(seconds)
        return TrainingCost(seconds, self.joules + other.joules, self.joules_of)


class CostMeter:
    """Measures the cost of a training since the creation of the meter, and writes it to a file.

    It is a context manager: the cost is written on entering, every `INTERVAL` seconds, and on leaving, also after an
    error.

    Parameters
    ----------
    folder
        Folder of the file.
    resume
        Whether to add the cost of earlier sessions from the file.
    clock
        Returns the time in seconds.

    Raises
    ------
    RunError
        If the file of earlier sessions is damaged.
    StorageError
        If the file cannot be written on entering.
    """

    def __init__(self, folder: Path, *, resume: bool, clock: Callable[[], float] = time.perf_counter) -> None:
        self._path, self._clock = folder / FILE, clock
        self._earlier = _read(self._path) if resume else None
        self._begin, self._meter = clock(), Meter()
        self._stop = threading.Event()
        self._writer = threading.Thread(target=self._write_at_intervals, daemon=True)

    def read(self) -> TrainingCost:
        """The cost so far, including earlier sessions."""
        energy = self._meter.read()
        session = TrainingCost(self._clock() - self._begin, energy.joules, energy.joules_of)
        return session if self._earlier is None else self._earlier.plus(session)

    def __enter__(self) -> Self:
        """Write the cost for the first time and start to write it at intervals."""
        self._write()
        self._writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the cost a last time; a full disk must not hide the error that ended training."""
        self._stop.set()
        self._writer.join()
        with suppress(StorageError):
            self._write()

    def _write(self) -> None:
        """Write the cost so far."""
        write_json(self._path, as_json(self.read()))

    def _write_at_intervals(self) -> None:
        """Write the cost every `INTERVAL` seconds until the end; a full disk is ignored."""
        while not self._stop.wait(INTERVAL):
            with suppress(StorageError):
                self._write()


def _read(path: Path) -> TrainingCost | None:
    """The cost of earlier sessions; None without a file."""
    hint = "remove it; the cost of earlier sessions is then unknown"
    content = read_json(path, error=RunError, hint=hint)
    if content is None:
        return None
    try:
        cost = from_json(TrainingCost, content)
    except SchemaError as error:
        raise RunError(f"damaged: {error}", where=str(path), hint=hint) from error
    if not 0 <= cost.seconds < math.inf:
        raise RunError(f"damaged: seconds is {content.get('seconds')!r}", where=str(path), hint=hint)
    return cost
