"""Progress on standard error: a bar with the time left on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from shoptalk.progress import Progress

#: Seconds between two lines where there is no terminal.
QUIET = 30.0
#: Stages that report with every step.
LONG = ("train", "sweep", "options", "titles", "likes", "recommend")


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Yield what stages report to."""
    if sys.stderr.isatty():
        with _bars() as report:
            yield report
    else:
        yield _lines()


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:>10}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[words]}"),
    )  # fmt: skip
    bar_of: dict[str, TaskID] = {}  # by stage
    with Bars(*columns, console=Console(stderr=True)) as bars:

        def report(stage: str, done: float, of: float, words: str) -> None:
            """Move the stage's bar; those of earlier stages are full."""
            if stage not in bar_of:
                for bar in bar_of.values():
                    bars.update(bar, completed=bars.tasks[bar].total)
                bar_of[stage] = bars.add_task(stage, total=of, words=words)
            bars.update(bar_of[stage], completed=done, total=of, words=words)

        yield report


def _lines() -> Progress:
    last: tuple[str, float] = ("", 0.0)

    def report(stage: str, done: float, of: float, words: str) -> None:
        """Print a line, now and then."""
        nonlocal last
        now = time.monotonic()
        if stage == last[0] and now - last[1] < QUIET and stage in LONG:
            return
        last = (stage, now)
        share = f" {done / of:4.0%}" if stage in LONG else ""
        print(f"{stage}{share}: {words}" if words else f"{stage}{share}", file=sys.stderr, flush=True)

    return report
