"""Benchmarks as modules, and a small shop with a trained run for those of the service."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
Load = Callable[[str], ModuleType]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads a benchmark by its name."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def find(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, f"benchmark_{name}", module)
        spec.loader.exec_module(module)
        return module

    return find


@pytest.fixture(scope="session")
def service_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a generated shop with its tastes, and a run of it; tests must not change it."""
    sys.path.insert(0, str(FOLDER))
    try:
        from serving.small_run import make_small_run  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(FOLDER))
    folder = tmp_path_factory.mktemp("service")
    make_small_run(folder, users=700, items=80, width=32)
    return folder
