"""Running the service: one process, or several workers on one port."""

import logging.config
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from shoptalk.online.database import open_database
from shoptalk.serve import metrics as metrics_module
from shoptalk.serve.access import Access
from shoptalk.serve.app import create_app, freeze
from shoptalk.serve.arms import load_arm
from shoptalk.serve.buckets import Buckets
from shoptalk.serve.logs import log, log_config
from shoptalk.serve.refreshing import refreshing
from shoptalk.serve.rules import read_rules
from shoptalk.serve.settings import Settings
from shoptalk.system import threads

#: Seconds for requests that are being answered when the service ends.
GRACE = 10
#: Seconds for a worker to answer its supervisor, and for which it may be silent before it is replaced. One that imports
#: its modules on a busy machine is silent for long.
PING, SILENCE = 0.5, 60.0
#: Connections that wait to be accepted, and most that are open in one process.
BACKLOG, MOST_CONNECTIONS = 2048, 4096
_PREFIX = "shoptalk-serve-"


def serve(settings: Settings, announce: Callable[[str], None]) -> int:
    """Serve until a signal ends it; returns the exit code.

    SIGTERM and SIGINT end it after what is being answered. SIGHUP makes it look for changes now.

    Parameters
    ----------
    announce
        Called with a line for the person who started it, before requests are taken.

    Raises
    ------
    ShoptalkError
        If a run, the rules, the database or the access does not allow to begin.
    """
    logging.config.dictConfig(log_config())
    with _cache(settings) as cache:
        settings = settings.changed(cache=str(cache))
        _check(settings)
        announce(f"http://{'[' + settings.host + ']' if ':' in settings.host else settings.host}:{settings.port}")
        with refreshing(settings):
            return _serve_workers(settings, cache) if settings.workers > 1 else _serve_alone(settings)


def _check(settings: Settings) -> None:
    """Make the tables, and make sure that a service can begin, before any worker tries."""
    database = open_database(settings.database)
    try:
        Access(settings, database, Buckets(None)).check_start()
        if settings.rules is not None:
            read_rules(Path(settings.rules))
        if settings.workers > 1:  # a single process loads them once, in a moment
            for arm in settings.arms:
                load_arm(arm, Path(settings.cache) if settings.cache else None)
    finally:
        database.close()


def _config(app: Any, settings: Settings, **more: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http="shoptalk.serve.protocol:TimedProtocol",  # by name: a worker answers its supervisor before it imports much
        ws="none",
        lifespan="on",
        backlog=BACKLOG,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=GRACE,
        h11_max_incomplete_event_size=16_384,
        **more,
    )


class _Server(uvicorn.Server):
    """A server that looks for changes on SIGHUP, and raises the error that stopped its start."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        """End once; a second signal does not cut off what is being answered."""
        if not self.should_exit:
            super().handle_exit(sig, frame)


def _serve_alone(settings: Settings) -> int:
    app = create_app(settings)
    freeze()
    server = _Server(_config(app, settings))

    def look(_signal: int, _frame: Any) -> None:
        service = getattr(app.state, "service", None)
        if service is not None:
            service.upkeep.look_soon(again=True)

    with suppress(ValueError):  # not in the main thread, as in tests
        signal.signal(signal.SIGHUP, look)
    server.run()
    return 0 if server.started else 1


def _serve_workers(settings: Settings, cache: Path) -> int:
    """Workers that share a socket; one that dies is replaced."""
    numbers = cache / "metrics"
    numbers.mkdir()
    os.environ[metrics_module.FOLDER] = str(numbers)
    os.environ["OMP_NUM_THREADS"] = str(threads(settings.workers))  # more threads than cores wait for each other
    settings.to_environment()
    config = _config("shoptalk.serve.worker:make_app", settings, factory=True, workers=settings.workers)
    listener = listen(config)
    try:
        _Supervisor(config, [listener]).run()
    finally:
        listener.close()
    return 0


def listen(config: uvicorn.Config) -> socket.socket:
    """The socket that workers share; its connections send at once what is written.

    asyncio asks for that only where a socket names its protocol, which uvicorn's does not: then every answer would wait
    40 milliseconds for the acknowledgement of its headers.
    """
    listener = config.bind_socket()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted connections inherit it
    return listener


class _Supervisor(Multiprocess):
    """uvicorn's supervisor, whose workers look for changes on SIGHUP instead of being replaced."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self._heard: dict[int | None, float] = {}

    def handle_hup(self) -> None:
        """Tell every worker."""
        log("looking for changes")
        for process in self.processes:
            pid = process.pid
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGHUP)

    def keep_subprocess_alive(self) -> None:
        """Replace workers that have died or hang, and forget their gauges.

        In contrast to uvicorn's, it neither kills workers that take more than some seconds to start, nor ends the
        service because one cannot start: the others serve on, and the next one may.
        """
        for index, process in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if self._lives(process):
                continue
            process.kill()
            process.join()
            if process.pid is not None:
                metrics_module.forget_worker(process.pid)
            log("worker replaced", 30)
            self.processes[index] = Process(self.config, self.sockets)
            self.processes[index].start()

    def _lives(self, process: Process) -> bool:
        """Whether a worker runs, and has answered lately."""
        if not process.process.is_alive():
            return False
        now = time.monotonic()
        if process.ping(PING):
            self._heard[process.pid] = now
        return now - self._heard.setdefault(process.pid, now) < SILENCE


@contextmanager
def _cache(settings: Settings) -> Iterator[Path]:
    """A folder for what the workers share, which is removed at the end; those of dead services are removed too."""
    if settings.cache is not None:
        path = Path(settings.cache)
        path.mkdir(parents=True, exist_ok=True)
        yield path
        return
    parent = Path(tempfile.gettempdir())
    for old in parent.glob(f"{_PREFIX}*"):
        owner = old.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not _runs(int(owner)) and old.owner() == Path.home().owner():
            shutil.rmtree(old, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
