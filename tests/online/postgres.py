"""A PostgreSQL server of the tests' own, on a Unix socket, with the settings of a new installation (fsync included)."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

SUPERUSER = "shoptalk"


def binaries() -> Path | None:
    """The folder of the newest server's programs; None where there is no server."""
    installed = [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), *Path("/usr/pgsql").glob("*/bin/initdb")]
    if installed:
        return max(installed, key=lambda path: int(path.parts[-3])).parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def why_not() -> str | None:
    """Why no server can be started; None if one can be."""
    if binaries() is None:
        return "no PostgreSQL server is installed (initdb was not found)"
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        return "PostgreSQL refuses to run as root, and there is no runuser"
    return None


class Server:
    """A running server; `stop` and `start` it to test what its absence does."""

    def __init__(self, folder: Path) -> None:
        programs = binaries()
        assert programs is not None
        self.folder, self.programs = folder, programs
        self.url = f"postgresql+psycopg://{SUPERUSER}@/postgres?host={folder}"
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        self._run("initdb", "-D", str(folder / "data"), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8")
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*as_user, str(self.programs / program), *arguments]
        with (self.folder / f"{program}.txt").open("w") as log:
            done = subprocess.run(command, stdout=log, stderr=log, cwd=self.folder, check=False)
        assert done.returncode == 0, (self.folder / f"{program}.txt").read_text()

    def start(self) -> None:
        options = f"-c listen_addresses='' -k {self.folder} -c max_connections=40"
        log = str(self.folder / "data" / "log.txt")
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-o", options, "-l", log, "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", mode, "stop")

    def empty_database(self) -> str:
        """The URL of the database, emptied: making another one would write a thousand files."""
        engine = create_engine(self.url)
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()
        return self.url


@contextmanager
def server() -> Iterator[Server]:
    """A server that is stopped and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # short: a socket's path has at most 107 characters
    running = None
    try:
        running = Server(folder)
        yield running
    finally:
        if running is not None:
            running.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)
