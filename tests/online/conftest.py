"""Each test of a database runs on an SQLite file and on a PostgreSQL server that is started here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shoptalk.online.database import Database, open_database
from tests.online import postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    if reason := postgres.why_not():
        pytest.skip(reason)
    with postgres.server() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shop.db'}"
    return str(request.getfixturevalue("postgres_server").empty_database())


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = open_database(url)
    yield opened
    opened.close()
