"""Refreshing the served runs at intervals, in processes of their own (``shoptalk serve --refresh-every``)."""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from shoptalk.errors import ShoptalkError, UsageError
from shoptalk.serve.logs import log
from shoptalk.serve.settings import Settings

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_duration(text: str) -> float:
    """Seconds of a duration such as ``24h``, ``30m`` or ``90s``.

    Raises
    ------
    UsageError
        For any other text, or less than a second.

    Examples
    --------
    >>> parse_duration("1.5h")
    5400.0
    """
    found = _DURATION.fullmatch(text.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not 1 <= seconds <= 366 * _SECONDS["d"]:
        raise UsageError(f"{text!r} is no duration of at least a second", hint="write 24h, 30m or 90s")
    return seconds


@contextmanager
def refreshing(settings: Settings) -> Iterator[None]:
    """Refresh each served run every ``settings.refresh_seconds`` while the block runs; without them, never.

    One run is refreshed after the other. The service takes up a new version as it takes up any changed folder. An
    error is logged, and tried again the next time.
    """
    if settings.refresh_seconds is None:
        yield
        return
    runs = list(dict.fromkeys(arm.folder for arm in settings.arms if arm.method is None))
    ended = threading.Event()
    thread = threading.Thread(
        target=_refresh_again_and_again,
        args=(runs, settings.database, settings.refresh_seconds, ended),
        name="refresh",
        daemon=True,
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()


def _refresh_again_and_again(runs: Sequence[str], database: str, seconds: float, ended: threading.Event) -> None:
    # Refreshing is imported when it is first needed: a service without it starts without the training code.
    while not ended.wait(seconds):
        from shoptalk.stages.refresh import refresh_in_process

        for run in runs:
            try:
                result = refresh_in_process(Path(run), database)
                log("refreshed", run=Path(run).resolve().name, outcome=result.outcome, current=result.current)
            except ShoptalkError as error:
                log("refresh failed; the old version serves on", 40, run=Path(run).resolve().name, error=error.kind)
            except Exception as error:  # the next one may succeed
                log("refresh failed; the old version serves on", 40, error=type(error).__name__)
            if ended.is_set():
                return
