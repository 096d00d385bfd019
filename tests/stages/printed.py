"""Stages as the command line prints them."""

from pathlib import Path
from typing import Any

from shoptalk.progress import silent
from shoptalk.results import as_json
from shoptalk.runs import open_run
from shoptalk.stages import recommend as stage
from shoptalk.stages.trained_run import open_trained_run


def recommend(folder: Path, **request: Any) -> dict[str, Any]:
    """What ``shoptalk recommend --json`` prints."""
    trained = open_trained_run(open_run(folder))
    content: dict[str, Any] = as_json(stage.recommend(trained, stage.RecommendRequest(**request), silent))
    return content
