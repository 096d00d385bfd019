"""The processor that a figure was measured on."""

import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

#: Instructions that decide how fast matrix products are, the fastest first: flag and name.
INSTRUCTIONS = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16", "avx512f": "AVX512", "avx2": "AVX2"}


def processor() -> str:
    """Model of the processor, the fastest of `INSTRUCTIONS` that it has, and number of its cores, as Linux says."""
    path = Path("/proc/cpuinfo")
    lines = [line.partition(":") for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    facts = {key.strip(): value.strip() for key, _, value in reversed(lines)}
    flags = facts.get("flags", "").split()
    best = next((f" ({name})" for flag, name in INSTRUCTIONS.items() if flag in flags), "")
    return f"{facts.get('model name') or platform.processor() or 'unknown'}{best}, {os.cpu_count()} cores"


def names_of_processors(points: Iterable[Mapping[str, Any]]) -> str:
    """The processors that points of a benchmark were measured on."""
    return "; ".join(sorted({point.get("processor", "a processor that was not noted") for point in points}))
