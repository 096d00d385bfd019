"""Stores what was shown, shortly after it was answered: an answer does not wait for the disk."""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from shoptalk.errors import DatabaseError, ShoptalkError
from shoptalk.online.database import Database
from shoptalk.online.shown import Recommendation, log_recommendations
from shoptalk.serve.logs import log
from shoptalk.serve.metrics import Metrics

#: Most answers that are kept while the database does not answer, most in one transaction, and seconds between two.
MOST_KEPT, MOST_AT_ONCE, INTERVAL = 20_000, 500, 0.2


class ShownLog:
    """A queue of answers to be stored. When the process is killed, those of the last `INTERVAL` are lost."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._database, self._metrics = database, metrics
        self._queue: deque[Recommendation] = deque()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="shown")
        self._task: asyncio.Task[None] | None = None
        self._works = True

    def start(self) -> None:
        """Begin to store, in the running event loop."""
        self._task = asyncio.create_task(self._run())

    def add(self, recommendation: Recommendation) -> None:
        """Queue an answer; where too many are queued, the oldest is dropped and counted."""
        if len(self._queue) >= MOST_KEPT:
            self._queue.popleft()
            self._metrics.unlogged.inc()
        self._queue.append(recommendation)

    async def flush(self) -> None:
        """Store what is queued, as far as the database allows."""
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(MOST_AT_ONCE, len(self._queue)))]
            loop = asyncio.get_running_loop()
            try:
                await loop.run_in_executor(self._executor, log_recommendations, self._database, batch)
            except DatabaseError as error:
                self._queue.extendleft(reversed(batch))
                self._note(error)
                return
            except ShoptalkError as error:  # one of them cannot be stored
                self._metrics.unlogged.inc(len(batch))
                self._note(error)
            self._works = True

    async def close(self) -> None:
        """Store the rest, and end."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.flush()
        self._executor.shutdown(wait=True)
        self._metrics.unlogged.inc(len(self._queue))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            await asyncio.shield(self.flush())

    def _note(self, error: ShoptalkError) -> None:
        if self._works:
            self._works = False
            log("answers cannot be logged for now", 30, error=error.message)
