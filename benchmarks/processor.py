"""The processor that a figure was measured on."""

import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def processor() -> str:
    """Model of the processor and number of its cores, as Linux names them."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{model or platform.processor() or 'unknown'}, {os.cpu_count()} cores"


def names_of_processors(points: Iterable[Mapping[str, Any]]) -> str:
    """The processors that points of a benchmark were measured on."""
    return "; ".join(sorted({point.get("processor", "a processor that was not noted") for point in points}))
