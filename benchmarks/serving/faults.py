"""Faults of a soak test: each breaks something of a running service for some seconds, and repairs it."""

import asyncio
import json
import os
import resource
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from safetensors.numpy import load_file, save_file

from serving.http import HOST
from serving.process import SOURCE, Service

_ITEMS = "items.safetensors"
#: Seconds within which the service must notice a change of its files, or replace a worker.
NOTICE = 60.0


class NotNoticed(Exception):
    """The service did not do what a fault asks of it."""


@dataclass
class Target:
    """What faults act on.

    Attributes
    ----------
    service
        The service.
    run
        The folder that it serves.
    clock
        The file that sets the clock of the service.
    workers
        Number of its worker processes when nothing is broken.
    database
        An SQLite file, or None.
    server
        A PostgreSQL server that can be stopped and started, or None.
    """

    service: Service
    run: Path
    clock: Path
    workers: int
    database: Path | None = None
    server: Any = None


Fault = Callable[[Target, float], Awaitable[str]]


async def worker_killed(target: Target, _seconds: float) -> str:
    """Kill a worker process; the supervisor must replace it."""
    victim = min(process.pid for process in target.service.workers())
    os.kill(victim, signal.SIGKILL)

    def replaced() -> bool:
        now = {process.pid for process in target.service.workers()}
        return victim not in now and len(now) == target.workers

    await _until(replaced, "the killed worker is not replaced")
    return "replaced"


async def database_gone(target: Target, seconds: float) -> str:
    """Stop PostgreSQL at once, as if it was killed, and start it again; lock an SQLite file against all writers."""
    if target.server is not None:
        await asyncio.to_thread(target.server.stop, "immediate")
        await asyncio.sleep(seconds)
        await asyncio.to_thread(target.server.start)
        return "stopped and started"
    assert target.database is not None
    connection = sqlite3.connect(target.database, isolation_level=None, timeout=30)
    try:
        connection.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(seconds)
        connection.execute("ROLLBACK")
    finally:
        connection.close()
    return "locked"


async def disk_full(target: Target, seconds: float) -> str:
    """Let no process of the service write to any file: the limit of the size of files becomes 0."""
    changed: list[tuple[psutil.Process, tuple[int, int]]] = []
    for process in target.service.processes():
        with suppress(psutil.NoSuchProcess):
            limits = process.rlimit(resource.RLIMIT_FSIZE)
            process.rlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
            changed.append((process, limits))
    await asyncio.sleep(seconds)
    for process, limits in changed:
        with suppress(psutil.NoSuchProcess):
            process.rlimit(resource.RLIMIT_FSIZE, limits)
    return f"{len(changed)} processes could not write"


async def model_corrupted(target: Target, seconds: float) -> str:
    """Overwrite the middle of the weights of the items; the service must refuse them, and later take up good ones."""
    path = target.run / "model" / _ITEMS
    good = path.read_bytes()
    refused = target.service.metric("shoptalk_reloads_total", what="run", result="refused")
    with path.open("r+b") as file:
        file.seek(len(good) // 2)
        file.write(b"\xff" * min(4096, len(good) // 4))  # as floats: NaN
    await _until_metric(target, "refused", refused, "damaged weights are not refused")
    await asyncio.sleep(seconds)
    taken = target.service.metric("shoptalk_reloads_total", what="run", result="taken_up")
    _replace(path, lambda temporary: temporary.write_bytes(good))
    await _until_metric(target, "taken_up", taken, "the repaired run is not taken up")
    return "refused, then taken up"


async def new_run(target: Target, _seconds: float) -> str:
    """Put a run with other weights in the place of the served one; the service must take it up."""
    path = target.run / "model" / _ITEMS
    tensors = load_file(path)
    tensors["bias"] = tensors["bias"] + np.linspace(0, 1, len(tensors["bias"]), dtype=tensors["bias"].dtype)
    before = _scores(target)
    taken = target.service.metric("shoptalk_reloads_total", what="run", result="taken_up")
    _replace(path, lambda temporary: save_file(tensors, temporary))
    await _until_metric(target, "taken_up", taken, "the new run is not taken up")
    for _ in range(100):
        if _scores(target) != before:
            return "taken up"
        await asyncio.sleep(0.1)
    raise NotNoticed("the new run is taken up, but scores have not changed")


async def clock_jumps(target: Target, seconds: float) -> str:
    """Set `time.time` of the service forward by a day, then back by an hour, then right again."""
    for offset in (86_400, -3_600, 0):
        _replace(target.clock, lambda temporary, text=str(offset): temporary.write_text(text))
        await asyncio.sleep(seconds / 2)
    return "a day forward, then an hour back"


async def slow_clients(target: Target, seconds: float) -> str:
    """Open connections that send a head, or a body, byte by byte."""
    body = b"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
    starts = [b"GET /healthz HT", b"POST /v1/events HTTP/1.1\r\n" + body] * 25

    async def drip(start: bytes) -> None:
        _, writer = await asyncio.open_connection(HOST, target.service.port)
        writer.write(start)
        try:
            while True:
                await asyncio.sleep(0.5)
                writer.write(b"x")
                await writer.drain()
        finally:
            writer.close()

    tasks = [asyncio.create_task(drip(start)) for start in starts]
    await asyncio.sleep(seconds)
    closed = sum(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return f"{len(tasks)} connections, of which the service has closed {closed}"


#: All faults by name, in the order in which they come.
FAULTS: dict[str, Fault] = {
    "worker killed": worker_killed,
    "database gone": database_gone,
    "disk full": disk_full,
    "model corrupted": model_corrupted,
    "new run": new_run,
    "clock jumps": clock_jumps,
    "slow clients": slow_clients,
}


def clock_environment(file: Path) -> dict[str, str]:
    """Variables with which a file sets the clock of a service."""
    file.write_text("0")
    folder = Path(__file__).parent / "clock"
    return {"PYTHONPATH": f"{folder}{os.pathsep}{SOURCE}", "SHOPTALK_SOAK_CLOCK": str(file)}


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name, and rename it."""
    temporary = path.with_name(f".{path.name}.new")
    write(temporary)
    temporary.replace(path)


def _scores(target: Target) -> list[float]:
    """The scores of the most popular products for a history of one of them."""
    popular = [item["item_id"] for item in json.loads(target.service.get("/v1/popular?k=5")[1])["items"]]
    _, answer = target.service.post("/v1/score", {"history": popular[:1], "options": popular})
    return sorted(item["score"] for item in answer["items"])


async def _until_metric(target: Target, result: str, before: float, otherwise: str) -> None:
    def grown() -> bool:
        return target.service.metric("shoptalk_reloads_total", what="run", result=result) > before

    await _until(grown, otherwise)


async def _until(condition: Callable[[], bool], otherwise: str) -> None:
    """Wait until a condition holds, which is looked at in a thread.

    Raises
    ------
    NotNoticed
        After `NOTICE` seconds.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + NOTICE
    while loop.time() < end:
        with suppress(OSError):
            if await asyncio.to_thread(condition):
                return
        await asyncio.sleep(0.1)
    raise NotNoticed(otherwise)
