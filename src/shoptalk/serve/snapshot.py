"""Private copies of model folders, which the workers map: a file that is damaged later cannot reach a running service.

Writing into a mapped file would change the weights of a running process, and shortening it would kill the process. So
the weights are copied once for all workers, and a changed folder makes a new copy.
"""

import fcntl
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shoptalk.errors import RunError
from shoptalk.files import replacing
from shoptalk.runs import Run, open_run
from shoptalk.versions import current_folder

#: Files of a run that are copied, beside the folder of its model.
_FILES = ("run.json", "recipe.toml")
_ATTEMPTS = 3


def signature(folder: Path) -> str | None:
    """A text that changes when the current version of a run changes, from the sizes and times of its files.

    None while there is no run, or no version that can be opened.
    """
    digest = hashlib.sha256()
    try:
        folder = current_folder(folder)
        files = [folder / name for name in _FILES]
        model = folder / "model"
        files += sorted(path for path in model.rglob("*") if path.is_file()) if model.is_dir() else []
        for path in files:
            about = path.stat()
            name = path.relative_to(folder).as_posix()
            digest.update(f"{name}\0{about.st_size}\0{about.st_mtime_ns}\0{about.st_ino}\n".encode())
    except (OSError, RunError):
        return None
    return digest.hexdigest()[:24]


def snapshot(run: Run, cache: Path, name: str) -> Run:
    """The run as a copy in ``cache``, made by the first process that asks; its dataset is not copied.

    Parameters
    ----------
    name
        What all versions of this run share, and no other run.

    Raises
    ------
    RunError
        If the folder changes all the time.
    StorageError
        If the disk is full.
    """
    for _ in range(_ATTEMPTS):
        before = signature(run.folder)
        if before is None:
            break
        target = cache / f"{name}-{before}"
        with _locked(cache / "lock"):
            if not target.is_dir():
                with replacing(target) as temporary:
                    temporary.mkdir()
                    shutil.copytree(run.model, temporary / "model")
                    for file in _FILES:
                        shutil.copyfile(run.folder / file, temporary / file)
                    (temporary / "dataset").symlink_to(run.dataset.resolve())
            if signature(run.folder) == before:
                return open_run(target)
            shutil.rmtree(target, ignore_errors=True)
    raise RunError("the folder changes while it is read", where=str(run.folder), hint="try again later")


def copies(cache: Path, name: str) -> list[Path]:
    """The copies of a run in ``cache``, the newest first."""
    found = [path for path in cache.glob(f"{name}-*") if path.name.rpartition("-")[0] == name and path.is_dir()]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def copy_signature(copy: Path) -> str:
    """The `signature` of the files that a copy was made of."""
    return copy.name.rpartition("-")[2]


def remove_others(copy: Path) -> None:
    """Remove other copies of the same run; processes that have mapped their files keep them."""
    for other in copies(copy.parent, copy.name.rpartition("-")[0]):
        if other != copy:
            shutil.rmtree(other, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Exclude other processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)
