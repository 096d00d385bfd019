"""Micro-batches: requests that wait together are handled together, in a thread; the queue is bounded."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shoptalk.errors import ShoptalkError

T = TypeVar("T")
R = TypeVar("R")


class Overloaded(ShoptalkError):
    """The queue is full.

    Parameters
    ----------
    retry_after
        Seconds after which there is probably room again.
    """

    kind = "overloaded"

    def __init__(self, retry_after: float) -> None:
        super().__init__("too many requests are waiting", hint="try again later")
        self.retry_after = retry_after


@dataclass(eq=False)
class _Waiting(Generic[T, R]):
    request: T
    result: "asyncio.Future[R]"
    since: float = field(default_factory=time.perf_counter)


class Batcher(Generic[T, R]):
    """Handles requests in batches, one batch at a time.

    A request that finds nothing being handled is handled at once. Those that arrive meanwhile make the next batch; if
    there are several of them, it waits up to ``milliseconds`` for more, counted from the arrival of the first or from
    the end of the batch before, after which customers who have their answers ask again.

    Parameters
    ----------
    handle
        Handles a batch, in a thread of its own. An exception is the result of every request of the batch; an exception
        among the results is that of its own request.
    size
        Most requests of a batch.
    milliseconds
        How long a batch waits.
    limit
        Most requests that wait.
    observe
        Called with the size of each batch and its seconds.
    """

    def __init__(
        self,
        handle: Callable[[Sequence[T]], Sequence["R | Exception"]],
        *,
        size: int,
        milliseconds: float,
        limit: int,
        observe: Callable[[int, float], None] | None = None,
        name: str = "batch",
    ) -> None:
        self._handle, self._size, self._wait, self._limit = handle, size, milliseconds / 1000, limit
        self._observe = observe
        self._waiting: deque[_Waiting[T, R]] = deque()
        self._arrived = asyncio.Event()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._seconds = 0.01  # of one request, a moving average
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._delivered = 0.0

    def start(self) -> None:
        """Begin to handle requests, in the running event loop."""
        self._task = asyncio.create_task(self._run())

    @property
    def waiting(self) -> int:
        """Number of requests that wait."""
        return len(self._waiting)

    async def submit(self, request: T, timeout: float) -> R:
        """The result of a request.

        Raises
        ------
        Overloaded
            When the queue is full.
        TimeoutError
            When it takes longer than ``timeout`` seconds.
        """
        if len(self._waiting) >= self._limit or self._closing:
            raise Overloaded(max(1.0, self._seconds * len(self._waiting)))
        entry: _Waiting[T, R] = _Waiting(request, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self._arrived.set()
        try:
            return await asyncio.wait_for(entry.result, timeout)
        finally:
            if not entry.result.done():
                entry.result.cancel()

    async def close(self) -> None:
        """Handle what waits, and end."""
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            with suppress(asyncio.CancelledError):
                await self._task
        self._executor.shutdown(wait=False)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self._waiting:
                if self._closing:
                    return
                self._arrived.clear()
                await self._arrived.wait()
                continue
            await self._gather()
            batch = self._take()
            if batch:
                begin = time.perf_counter()
                try:
                    results = await loop.run_in_executor(self._executor, self._handle, [one.request for one in batch])
                except Exception as error:  # each request answers for itself
                    results = [error] * len(batch)
                seconds = time.perf_counter() - begin
                self._seconds += 0.1 * (seconds / len(batch) - self._seconds)
                if self._observe is not None:
                    self._observe(len(batch), seconds)
                _deliver(batch, results)
                self._delivered = time.perf_counter()

    async def _gather(self) -> None:
        """Wait a little for more requests where several wait, unless the batch is full."""
        if not 1 < len(self._waiting) < self._size:
            return
        left = max(self._waiting[0].since, self._delivered) + self._wait - time.perf_counter()
        if left > 0:
            await asyncio.sleep(left)

    def _take(self) -> list[_Waiting[T, R]]:
        """The next batch, without requests that nobody waits for any more."""
        batch: list[_Waiting[T, R]] = []
        while self._waiting and len(batch) < self._size:
            entry = self._waiting.popleft()
            if not entry.result.done():
                batch.append(entry)
        return batch


def _deliver(batch: Sequence[_Waiting[T, R]], results: Sequence["R | Exception"]) -> None:
    for entry, result in zip(batch, results, strict=True):
        if entry.result.done():
            continue
        if isinstance(result, Exception):
            entry.result.set_exception(result)
        else:
            entry.result.set_result(result)
