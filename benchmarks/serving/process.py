"""`shoptalk serve` in processes of its own: started, watched and ended."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import psutil

#: The folder of the package.
SOURCE = Path(__file__).parents[2] / "src"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class ServiceFailed(Exception):
    """The service did not start, or does not answer."""


class Service:
    """A running service; a context manager that ends it.

    Parameters
    ----------
    runs
        Folders of runs, or ``FOLDER@METHOD``.
    database
        SQLite file or URL.
    log
        File for what it writes to standard error.
    options
        More options of the command line.
    environment
        Variables for its processes.
    """

    def __init__(
        self,
        runs: Sequence[Path | str],
        database: Path | str,
        log: Path,
        options: Sequence[str] = (),
        environment: Mapping[str, str] = {},
    ) -> None:
        self.port = free_port()
        self.command = [
            *(sys.executable, "-m", "shoptalk.cli.main", "serve", *map(str, runs)),
            *("--database", str(database), "--port", str(self.port), *options),
        ]
        self.log = log
        self.environment = {**os.environ, "PYTHONPATH": str(SOURCE), **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command, stdout=log, stderr=log, env=self.environment)
        try:
            self.wait_until_ready(300)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Id of the process of the command, which is the supervisor where there are several workers."""
        assert self._process is not None
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the process of the command has ended."""
        return self._process is None or self._process.poll() is not None

    def stop(self) -> int | None:
        """End it as its user would, with SIGTERM, and return its exit code; None if it had to be killed."""
        if self._process is None:
            return None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return None

    def wait_until_ready(self, seconds: float) -> float:
        """Wait until it says that it is ready; returns the seconds that this took."""
        begin = time.perf_counter()
        while time.perf_counter() - begin < seconds:
            if self.ended:
                raise ServiceFailed(f"the service has ended: {self.log.read_text()[-2000:]}")
            with suppress(OSError, http.client.HTTPException):
                if self.get("/readyz")[0] == 200:
                    return time.perf_counter() - begin
            time.sleep(0.05)
        raise ServiceFailed(f"not ready after {seconds:g} s: {self.log.read_text()[-2000:]}")

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET request, on a new connection."""
        return self._ask("GET", path)

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Status and JSON of a POST request, on a new connection."""
        status, content = self._ask("POST", path, json.dumps(body))
        return status, json.loads(content)

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over all label values but these."""
        total = 0.0
        for line in self.get("/metrics")[1].decode().splitlines():
            head, _, value = line.rpartition(" ")
            if head.partition("{")[0] == name and all(f'{key}="{wanted}"' in head for key, wanted in labels.items()):
                total += float(value)
        return total

    def processes(self) -> list[psutil.Process]:
        """The process of the command and all that it has started."""
        try:
            main = psutil.Process(self.pid)
            return [main, *main.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def workers(self) -> list[psutil.Process]:
        """The worker processes, the oldest first; the only process if there are none."""
        found = []
        for process in self.processes():
            with suppress(psutil.Error):
                if any("spawn_main" in part for part in process.cmdline()):
                    found.append(process)
        return sorted(found, key=lambda process: process.pid) or self.processes()

    def processor_seconds(self) -> float:
        """Seconds of processor time that its processes have used so far."""
        total = 0.0
        for process in self.processes():
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def memory(self) -> float:
        """Megabytes of memory of its processes; what they share counts once."""
        total = 0
        for process in self.processes():
            with suppress(psutil.Error):
                total += process.memory_full_info().pss
        return total / 2**20
