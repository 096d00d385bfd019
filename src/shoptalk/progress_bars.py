"""Progress on standard error: bars on a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from shoptalk.progress import Progress, silent

#: Seconds between two lines if there is no terminal.
INTERVAL = 30.0
#: Stages that report with every step.
LONG = ("train", "sweep", "options", "rankings", "titles", "recommend", "choose")


@contextmanager
def progress_bars(*, show: bool = True) -> Iterator[Progress]:
    """Yield the progress callback of the stages: bars on a terminal, lines elsewhere, nothing without ``show``."""
    if not show:
        yield silent
    elif sys.stderr.isatty():
        with _bars() as report:
            yield report
    else:
        yield _lines()


@contextmanager
def _bars() -> Iterator[Progress]:
    """Yield a callback that draws a progress bar for each stage."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:>10}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[message]}"),
    )
    bar_of: dict[str, TaskID] = {}
    with Bars(*columns, console=Console(stderr=True)) as bars:

        def report(stage: str, done: float, total: float, message: str) -> None:
            """Update the bar of the stage; bars of earlier stages are completed."""
            if stage not in bar_of:
                for bar in bar_of.values():
                    bars.update(bar, completed=bars.tasks[bar].total)
                bar_of[stage] = bars.add_task(stage, total=total, message=message)
            bars.update(bar_of[stage], completed=done, total=total, message=message)

        yield report


def _lines() -> Progress:
    """A callback that prints lines."""
    last: tuple[str, float] = ("", 0.0)

    def report(stage: str, done: float, total: float, message: str) -> None:
        """Print a line, at most one per interval in long stages."""
        nonlocal last
        now = time.monotonic()
        if stage == last[0] and now - last[1] < INTERVAL and stage in LONG:
            return
        last = (stage, now)
        percentage = f" {done / total:4.0%}" if stage in LONG else ""
        sys.stderr.write(f"{stage}{percentage}: {message}\n" if message else f"{stage}{percentage}\n")
        sys.stderr.flush()

    return report
