"""What a training costs in seconds and joules, over all the stretches of a run that was interrupted and resumed."""

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

#: In the folder of the checkpoints: what the run has cost so far.
FILE = "cost.json"
#: Seconds between two writings of it: as much is lost when the process is killed.
INTERVAL = 30.0


@dataclass(frozen=True, slots=True)
class TrainingCost:
    """Seconds, and joules of the parts that they were measured of; joules are None where they are not known."""

    seconds: float = 0.0
    joules: float | None = None
    joules_of: tuple[str, ...] = ()

    def plus(self, other: "TrainingCost") -> "TrainingCost":
        """Both together; joules of different parts, or not known of one of them, have no sum."""
        seconds = self.seconds + other.seconds
        if self.joules is None or other.joules is None or self.joules_of != other.joules_of:
            return TrainingCost(seconds)
        return TrainingCost(seconds, self.joules + other.joules, self.joules_of)


class CostMeter:
    """Measures a training from when it is made, and keeps what it has cost so far in a folder.

    Used as a context: the cost is written at its beginning, every `INTERVAL` seconds, and at its end, also when that is
    an error.

    Parameters
    ----------
    folder
        Where the cost is kept; with ``resume`` what lies there is added.

    Raises
    ------
    RunError
        When what lies there is damaged.
    StorageError
        When it cannot be written at the beginning.
    """

    def __init__(self, folder: Path, *, resume: bool, clock: Callable[[], float] = time.perf_counter) -> None:
        self._path, self._clock = folder / FILE, clock
        self._before = _read(self._path) if resume else None
        self._begin, self._meter = clock(), Meter()
        self._end = threading.Event()
        self._writer = threading.Thread(target=self._write_at_intervals, daemon=True)

    def read(self) -> TrainingCost:
        """The cost until now, that of former stretches included."""
        energy = self._meter.read()
        now = TrainingCost(self._clock() - self._begin, energy.joules, energy.joules_of)
        return now if self._before is None else self._before.plus(now)

    def __enter__(self) -> Self:
        """The meter itself."""
        self._write()
        self._writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the cost a last time; a disk that is full must not hide why training ended."""
        self._end.set()
        self._writer.join()
        with suppress(StorageError):
            self._write()

    def _write(self) -> None:
        write_json(self._path, as_json(self.read()))

    def _write_at_intervals(self) -> None:
        while not self._end.wait(INTERVAL):
            with suppress(StorageError):
                self._write()


def _read(path: Path) -> TrainingCost | None:
    hint = "remove it; only the cost of what is left is then known"
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
