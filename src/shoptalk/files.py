"""Atomic writing of files: a crash leaves the old content or the new content. JSON files and checksums."""

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

#: A JSON object of which nothing is checked.
JsonObject = dict[str, Any]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; on success it is synced and renamed to ``path``.

    The caller writes a file or a folder there. On an error it is removed, and ``path`` does not change.

    Raises
    ------
    StorageError
        When the disk is full or the folder cannot be written.
    """
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _share(temporary)
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
    """Write a UTF-8 file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file atomically; NaN becomes null, because JSON has no NaN."""
    write_text(path, json.dumps(without_nan(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(
    path: Path, *, error: type[ShoptalkError] = StorageError, hint: str = "write it again"
) -> JsonObject | None:
    """The object in a JSON file; None where there is no file.

    Raises
    ------
    ShoptalkError
        Of the type ``error``, when the file cannot be read or holds no JSON object.
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


def _share(path: Path) -> None:
    """Let those read the files of a folder who may look into it; safetensors writes files for their owner alone."""
    if not path.is_dir():
        return
    mode = path.stat().st_mode & 0o666
    for file in path.rglob("*"):
        if file.is_file() and not file.is_symlink():
            file.chmod(mode)


def _sync(path: Path) -> None:
    """Flush a file, or a folder with all its content, to the disk."""
    for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _exchange_paths(new: Path, path: Path) -> None:
    """Rename ``new`` to ``path``; an existing folder is exchanged with it and then removed."""
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
    """Exchange two paths atomically; False on systems without this operation (Linux has it)."""
    try:
        rename_function = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    at_fdcwd, rename_exchange = -100, 2  # constants of Linux
    return bool(rename_function(at_fdcwd, os.fsencode(first), at_fdcwd, os.fsencode(second), rename_exchange) == 0)


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
