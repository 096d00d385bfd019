"""The peak memory of the process, its share of the cores, and the versions of Python and of packages."""

import os
import platform
import resource
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

#: Packages whose versions are recorded with a dataset and a run.
PACKAGES = (
    "shoptalk",
    "torch",
    "transformers",
    "peft",
    "tokenizers",
    "numpy",
    "pyarrow",
    "ibis-framework",
    "scikit-learn",
    "duckdb",
    "bitsandbytes",
)


def peak_memory() -> int:
    """Peak resident memory of this process in bytes."""
    try:  # getrusage of Linux also counts what the parent held when it started this process
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    # Linux reports KiB, macOS bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def package_versions(names: Iterable[str] = PACKAGES) -> dict[str, str]:
    """The version of each package; those that are not installed are left out."""
    versions = {name: _installed_version(name) for name in names}
    return {name: version for name, version in versions.items() if version is not None}


@cache
def _installed_version(name: str) -> str | None:
    """The version of a package, read once, as it takes milliseconds; None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def python_version() -> str:
    """The version of Python."""
    return platform.python_version()


def threads(jobs: int) -> int:
    """Threads of each of ``jobs`` processes: an equal share of the cores, at most OMP_NUM_THREADS."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = max(1, cores // jobs)
    configured = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(configured)) if configured.isdigit() and int(configured) else share
