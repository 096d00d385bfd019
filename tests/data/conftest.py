"""One engine for a module of tests: a new database for each would take most of the time."""

from collections.abc import Iterator

import pytest

from shoptalk.data.engine import Engine


@pytest.fixture(scope="module")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(tmp_path_factory.mktemp("work"), threads=1) as opened:
        yield opened
