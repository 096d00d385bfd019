"""What happens in training, as JSON lines and for TensorBoard."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch.utils.tensorboard import SummaryWriter

from shoptalk.files import without_nan, write_text
from shoptalk.runs import read_log


class Log:
    """Appends events to ``log.jsonl`` and numbers to TensorBoard.

    Parameters
    ----------
    run
        The run's folder.
    step
        Events after this step are removed first: a resumed training writes them again.
    """

    def __init__(self, run: Path, step: int) -> None:
        path = run / "log.jsonl"
        kept = [line for line in read_log(run) if line.get("step", 0) <= step] if step else []
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
        self._file = path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(run / "tensorboard"), purge_step=step + 1 if step else None)

    def event(self, kind: str, step: int, **values: Any) -> None:
        """Write one event; it is on disk when this returns, as far as the process is concerned."""
        self._file.write(json.dumps(without_nan({"event": kind, "step": step, **values})) + "\n")
        self._file.flush()
        for name, value in values.items():
            if isinstance(value, (int, float)):
                self._board.add_scalar(f"{kind}/{name}", value, step)

    def __enter__(self) -> Self:
        """The log itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files."""
        self._file.close()
        self._board.close()
