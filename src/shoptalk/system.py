"""The peak memory of the process, and the versions of Python and of packages."""

import platform
import resource
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

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
    # Linux reports KiB, macOS bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def package_versions(names: Iterable[str] = PACKAGES) -> dict[str, str]:
    """The version of each package; those that are not installed are left out."""
    versions = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def python_version() -> str:
    """The version of Python."""
    return platform.python_version()
