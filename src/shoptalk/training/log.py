"""The log of a training: events as JSON lines, also passed to trackers."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from shoptalk.files import without_nan, write_text
from shoptalk.runs import read_log
from shoptalk.training.trackers import Tracker


class Log:
    """Appends events to ``log.jsonl`` and passes them to trackers.

    Parameters
    ----------
    run
        The run's folder.
    step
        Events after this step are removed first, because a resumed training writes them again.
    trackers
        Receive every event after it was written to the file.
    """

    def __init__(self, run: Path, step: int, trackers: Sequence[Tracker] = ()) -> None:
        path = run / "log.jsonl"
        events = [event for event in read_log(run) if event.get("step", 0) <= step] if step else []
        write_text(path, "".join(json.dumps(event) + "\n" for event in events))
        self._file = path.open("a", encoding="utf-8")
        self._trackers = trackers
        for tracker in trackers:
            tracker.start(run, step)

    def event(self, kind: str, step: int, **values: Any) -> None:
        """Write one event and flush the file, so that the event survives the end of the process."""
        self._file.write(json.dumps(without_nan({"event": kind, "step": step, **values})) + "\n")
        self._file.flush()
        for tracker in self._trackers:
            tracker.log(kind, step, values)

    def __enter__(self) -> Self:
        """Return the log."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file and end the trackers."""
        self._file.close()
        for tracker in self._trackers:
            tracker.end(finished=kind is None)
