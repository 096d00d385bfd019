"""Logs of the service: one JSON object a line on standard error, without ids of users, queries or addresses."""

import json
import logging
import sys
import time
import traceback
from contextvars import ContextVar
from typing import Any

from shoptalk.files import without_nan

#: The id of the request that is being answered.
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
LOGGER = "shoptalk.serve"


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON.

    Of an exception it writes the type and the places in the code, not the message, which may quote what a user sent.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        content: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := REQUEST_ID.get():
            content["request_id"] = request_id
        content.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0] is not None:
            content["exception"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])
            content["at"] = [
                f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno} {frame.name}" for frame in frames[-8:]
            ]
        return json.dumps(without_nan(content), ensure_ascii=False, default=str)


def log_config(level: str = "info") -> dict[str, Any]:
    """The configuration of ``logging`` for this process, and for uvicorn."""
    handler = {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
    logger = {"handlers": ["stderr"], "level": level.upper(), "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "shoptalk.serve.logs.JsonFormatter"}},
        "handlers": {"stderr": handler},
        "loggers": {
            LOGGER: logger,
            "uvicorn": logger,
            "uvicorn.error": logger,
            # uvicorn's own lines of requests hold paths, which hold ids of users.
            "uvicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
        },
    }


def log(message: str, level: int = logging.INFO, **fields: Any) -> None:
    """Write a line with fields; no field may hold personal data."""
    logging.getLogger(LOGGER).log(level, message, extra={"fields": fields})


def flush() -> None:
    """Write what is buffered."""
    sys.stderr.flush()
