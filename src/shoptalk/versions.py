"""Versions of a run: the run's own folder, and those that ``shoptalk refresh`` made after it.

``RUN/versions/0001`` and so on are runs of their own. ``RUN/current.json`` lists those that were taken up, the current
one last; without this file, the run's own folder is the only one. The list changes by renaming one file, so that a
crash at any moment leaves the old list or the new one, and a version that it names is always complete. Whoever opens
a run opens its current version (`shoptalk.runs.open_run`); a running service asks `current_folder` again and again.
"""

import fcntl
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shoptalk.errors import RunError
from shoptalk.files import read_json, write_json

#: In a run's folder: the list of the versions that were taken up, and the folder of the versions.
POINTER, FOLDER = "current.json", "versions"
#: The name of the version that is the run's own folder.
ORIGINAL = "original"
_LOCK = ".refresh.lock"
_NUMBER = re.compile(r"\d{4,9}")


def current_folder(run: Path) -> Path:
    """The folder of the current version of a run.

    Raises
    ------
    RunError
        If the list of versions is damaged.
    """
    return version_folder(run, taken_versions(run)[-1])


def version_folder(run: Path, name: str) -> Path:
    """The folder of a version."""
    return run if name == ORIGINAL else run / FOLDER / name


def taken_versions(run: Path) -> tuple[str, ...]:
    """The names of the versions that were taken up and are kept, the current one last.

    Raises
    ------
    RunError
        If the list is damaged, or names a version that is gone.
    """
    path = run / POINTER
    content = read_json(path, error=RunError, hint=f"remove it: then the run of {run} itself is the current version")
    if content is None:
        return (ORIGINAL,)
    names = content.get("versions")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and _is_name(name) for name in names):
        raise RunError("damaged: no list of versions", where=str(path), hint="write it again: shoptalk refresh")
    if not (version_folder(run, names[-1]) / "run.json").is_file():
        raise RunError(
            f"version {names[-1]} is gone",
            where=str(path),
            hint="go back to the one before: shoptalk refresh RUN --rollback" if len(names) > 1 else "train again",
        )
    return tuple(names)


def new_version(run: Path) -> str:
    """A name that no version has or had, as far as the folder tells; see `remove_others`."""
    numbers = [int(path.name) for path in _folders(run)]
    return f"{max(numbers, default=0) + 1:04d}"


def take_up(run: Path, name: str, keep: int) -> tuple[str, ...]:
    """Make a complete version the current one, keep at most the last ``keep``, and remove the others.

    Returns
    -------
    tuple of str
        The versions that are kept.
    """
    taken = (*(other for other in taken_versions(run) if other != name), name)[-keep:]
    write_json(run / POINTER, {"versions": list(taken)})
    remove_others(run)
    return taken


def roll_back(run: Path) -> tuple[str, ...]:
    """Make the version before the current one the current one; the folder of the other stays until the next refresh.

    Returns
    -------
    tuple of str
        The versions that are left, and at the end the one that was current.

    Raises
    ------
    RunError
        If there is none before.
    """
    content = read_json(run / POINTER, error=RunError, hint="remove it") or {}
    names = content.get("versions") or [ORIGINAL]
    if len(names) < 2:
        raise RunError("there is no version before this one", where=str(run), hint="nothing was changed")
    write_json(run / POINTER, {"versions": names[:-1]})
    return (*taken_versions(run), str(names[-1]))


def remove_others(run: Path) -> None:
    """Remove the folders of versions that are not kept: refused ones, old ones, and what a crash has left."""
    taken = taken_versions(run)
    for folder in _folders(run):
        if folder.name not in taken:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the lock of a run, so that its versions are changed by one process at a time.

    Raises
    ------
    RunError
        If another process holds it.
    """
    with (run / _LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(
                "another refresh of this run is going on", where=str(run), hint="wait for its end"
            ) from error
        yield


def _is_name(name: str) -> bool:
    return name == ORIGINAL or _NUMBER.fullmatch(name) is not None


def _folders(run: Path) -> list[Path]:
    """The folders of all versions, also of unfinished ones."""
    folder = run / FOLDER
    return sorted(path for path in folder.iterdir() if _NUMBER.fullmatch(path.name)) if folder.is_dir() else []
