"""Services as processes of their own, started by the command."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

START = 90  # seconds: importing takes long on a busy machine


def free_port() -> int:
    """A port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Served:
    """A running service: its process, its address, and what it wrote."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
        self.process, self.url, self.log = process, url, log

    @property
    def lines(self) -> str:
        """What it wrote to standard error."""
        return self.log.read_text(encoding="utf-8")

    def wait_until_ready(self) -> None:
        """Wait until it answers."""
        end = time.monotonic() + START
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(self.lines[-3000:])
            with suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError(f"not ready: {self.lines[-3000:]}")


@contextmanager
def serving(folder: Path, *arguments: Any, prelude: str = "") -> Iterator[Served]:
    """A service started by ``shoptalk serve``; ``prelude`` is Python that runs before it."""
    port = free_port()
    code = f"{prelude}\nfrom shoptalk.cli.main import main\nmain()"
    command = [sys.executable, "-c", code, "serve", *map(str, arguments)]
    command += ["--port", str(port), "--database", str(folder / "shop.db")]
    log = folder / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=output, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
    served = Served(process, f"http://127.0.0.1:{port}", log)
    try:
        served.wait_until_ready()
        yield served
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
