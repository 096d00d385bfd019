"""Writing files so that a crash leaves the old one or the new one, never half of it."""

import ctypes
import hashlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from shoptalk.errors import ShoptalkError, StorageError

#: A JSON object as it was read or will be written: nothing of it is checked.
JsonObject = dict[str, Any]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; on success it is synced and renamed to ``path``.

    What is written may be a file or a folder. On an error the temporary is removed and ``path`` stays as it was.

    Raises
    ------
    StorageError
        When the disk is full or the place cannot be written.
    """
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        _exchange_paths(temporary, path)
    except OSError as error:
        message = error.strerror or str(error)
        raise StorageError(
            f"cannot write: {message}", where=str(path), hint="free space or choose another folder"
        ) from error
    finally:
        _remove(temporary)


def write_text(path: Path, text: str) -> None:
    """Write one UTF-8 file, all or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write one JSON file, all or nothing; NaN becomes null, because JSON has no NaN."""
    write_text(path, json.dumps(without_nan(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(
    path: Path, *, error: type[ShoptalkError] = StorageError, hint: str = "write it again"
) -> JsonObject | None:
    """The object in a JSON file; None where there is no file.

    Raises
    ------
    ShoptalkError
        Of the type ``error``, when it is not such a file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as damage:
        reason = " ".join(str(damage).split())[:200]
        raise error(f"damaged: not readable as JSON: {reason}", where=str(path), hint=hint) from damage
    if not isinstance(content, dict):
        raise error("damaged: not a JSON object", where=str(path), hint=hint)
    return content


def without_nan(content: Any) -> Any:
    """The same content with every NaN or infinity replaced by None."""
    if isinstance(content, dict):
        return {str(key): without_nan(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [without_nan(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in blocks of 1 MiB."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _exchange_paths(new: Path, path: Path) -> None:
    """Rename ``new`` to ``path``; a folder that is in the way changes places with it, then goes."""
    if path.is_dir() and _exchange(new, path):
        _remove(new)
    elif path.is_dir():
        aside = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.old"
        path.rename(aside)
        new.rename(path)
        _remove(aside)
    else:
        new.replace(path)
    parent = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two names in one step, so that a crash finds either; False where the system cannot (Linux can)."""
    try:
        rename_function = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(rename_function(here, os.fsencode(first), here, os.fsencode(second), exchange) == 0)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):  # it never came to be
            path.unlink()
