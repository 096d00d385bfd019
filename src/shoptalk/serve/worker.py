"""What a worker process runs; uvicorn imports it by name."""

import logging.config
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from fastapi import FastAPI

from shoptalk.errors import ShoptalkError
from shoptalk.serve.app import freeze, from_environment
from shoptalk.serve.logs import log, log_config


def make_app() -> FastAPI:
    """The application of a worker, which looks for changes on SIGHUP and ends when its supervisor is gone."""
    logging.config.dictConfig(log_config())
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        app = from_environment()
    except (ShoptalkError, OSError) as error:  # the supervisor starts another one
        kind, where = (error.kind, error.where) if isinstance(error, ShoptalkError) else (error.strerror, None)
        log("a worker cannot start", 40, error=kind, where=where)
        sys.exit(1)
    freeze()

    def look(_signal: int, _frame: Any) -> None:
        service = getattr(app.state, "service", None)
        if service is not None:
            service.upkeep.look_soon(again=True)

    with suppress(ValueError):
        signal.signal(signal.SIGHUP, look)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    return app


def _end_with(parent: int) -> None:
    """End this process when its supervisor has died, so that no worker is left behind on the port."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
