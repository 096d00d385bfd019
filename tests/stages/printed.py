"""Stages with their results as the command line prints them by ``--json``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shoptalk.progress import silent
from shoptalk.results import as_json
from shoptalk.runs import open_run
from shoptalk.stages import recommend as stage
from shoptalk.stages.trained_run import open_trained_run


def recommend(folder: Path, *, user: str | None = None, history: Sequence[str] = (), **request: Any) -> dict[str, Any]:
    """What ``shoptalk recommend --json`` prints for one user or one history."""
    trained = open_trained_run(open_run(folder))
    users, histories = ([user], []) if user is not None else ([], [history])
    asked = stage.RecommendRequest(users=users, histories=histories, **request)
    content: dict[str, Any] = as_json(stage.recommend(trained, asked, silent)[0])
    return content
