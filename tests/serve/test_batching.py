"""Requests that wait together are handled together; the queue is bounded."""

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from shoptalk.serve.batching import Batcher, Overloaded


def test_requests_that_wait_are_one_batch() -> None:
    sizes: list[int] = []

    def handle(numbers: Sequence[int]) -> list[int | Exception]:
        sizes.append(len(numbers))
        time.sleep(0.05)
        return [number * 2 for number in numbers]

    async def run() -> list[int]:
        batcher: Batcher[int, int] = Batcher(handle, size=8, milliseconds=2, limit=100)
        batcher.start()
        first = asyncio.create_task(batcher.submit(0, 5))
        await asyncio.sleep(0.01)
        others = [asyncio.create_task(batcher.submit(number, 5)) for number in range(1, 12)]
        found = await asyncio.gather(first, *others)
        await batcher.close()
        return found

    assert asyncio.run(run()) == [number * 2 for number in range(12)]
    assert sizes == [1, 8, 3]  # one alone at once, then as many as fit, then the rest


def test_a_full_queue_refuses_at_once_and_recovers() -> None:
    go = threading.Event()

    def handle(numbers: Sequence[int]) -> list[int | Exception]:
        go.wait(5)
        return list(numbers)

    async def run() -> None:
        batcher: Batcher[int, int] = Batcher(handle, size=1, milliseconds=0, limit=3)
        batcher.start()
        tasks = [asyncio.create_task(batcher.submit(0, 5))]
        await asyncio.sleep(0.05)
        tasks += [asyncio.create_task(batcher.submit(number, 5)) for number in (1, 2, 3)]
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded) as refused:
            await batcher.submit(4, 5)
        assert refused.value.retry_after >= 1
        go.set()
        assert await asyncio.gather(*tasks) == [0, 1, 2, 3]
        assert await batcher.submit(5, 5) == 5
        await batcher.close()

    asyncio.run(run())


def test_time_outs_are_not_computed_and_errors_stay_apart() -> None:
    handled: list[int] = []

    def handle(numbers: Sequence[int]) -> list[int | Exception]:
        handled.extend(numbers)
        time.sleep(0.1)
        if 7 in numbers:
            raise ValueError("all of the batch")
        return [ValueError("odd") if number % 2 else number for number in numbers]

    async def run() -> None:
        batcher: Batcher[int, int] = Batcher(handle, size=2, milliseconds=0, limit=10)
        batcher.start()
        first = asyncio.create_task(batcher.submit(0, 5))
        await asyncio.sleep(0.01)
        with pytest.raises(TimeoutError):
            await batcher.submit(100, 0.02)
        pair = [asyncio.create_task(batcher.submit(number, 5)) for number in (1, 2)]
        assert await first == 0
        found = await asyncio.gather(*pair, return_exceptions=True)
        assert (str(found[0]), found[1]) == ("odd", 2)
        with pytest.raises(ValueError, match="all of the batch"):
            await batcher.submit(7, 5)
        await batcher.close()
        with pytest.raises(Overloaded):
            await batcher.submit(0, 5)

    asyncio.run(run())
    assert 100 not in handled
