"""Stages with their results as the command line prints them by ``--json``."""

from typing import Any

from shoptalk.results import as_json
from shoptalk.stages import recommend as stage


def recommend(*args: Any, **settings: Any) -> dict[str, Any]:
    """What ``shoptalk recommend --json`` prints."""
    content: dict[str, Any] = as_json(stage.recommend(*args, **settings))
    return content
