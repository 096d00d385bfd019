"""Versions of packages and peak memory: asked in one place, so that a dataset and a run say the same."""

import numpy as np

from shoptalk.system import PACKAGES, package_versions, peak_memory


def test_versions_are_those_of_what_is_installed() -> None:
    found = package_versions()
    assert found["numpy"] == np.__version__
    assert {"shoptalk", "pyarrow", "duckdb"} <= found.keys() <= set(PACKAGES)
    assert package_versions(("numpy", "no-such-package-of-ours")) == {"numpy": np.__version__}


def test_peak_memory_is_in_bytes_and_never_falls() -> None:
    before = peak_memory()
    assert before > 10 * 2**20  # an interpreter with numpy holds more than 10 MiB
    seen_items = np.ones(2**22)  # 32 MiB
    assert peak_memory() >= before
    del seen_items
    assert peak_memory() >= before
