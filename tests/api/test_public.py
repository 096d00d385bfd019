"""The names of the package: documented, lazy, and with examples that run."""

import doctest
import importlib
import subprocess
import sys

import pytest

import shoptalk

HEAVY = {"torch", "pandas", "numpy", "pyarrow", "duckdb", "transformers"}


def test_importing_loads_nothing_heavy() -> None:
    program = f"import shoptalk, sys; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_name_is_there_and_documented() -> None:
    assert set(shoptalk.__all__) <= set(dir(shoptalk))
    for name in shoptalk.__all__:
        assert getattr(shoptalk, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'train'"):
        shoptalk.train  # noqa: B018


@pytest.mark.parametrize("module", ["data", "model", "audit", "choose", "rankings", "settings", "evaluation"])
def test_the_examples_of_the_docstrings_run(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"shoptalk.api.{module}"))
    assert result.failed == 0
