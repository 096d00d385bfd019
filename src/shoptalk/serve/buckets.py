"""Rates of requests, shared by all workers: token buckets in a mapped file."""

import fcntl
import mmap
import os
import struct
import time
import zlib
from pathlib import Path

#: Buckets of the file; two keys in one bucket share its rate, which is improbable for fewer than a hundred keys.
_SLOTS = 16_384
#: Tokens, and when they were counted.
_SLOT = struct.Struct("dd")


class Buckets:
    """A bucket for each name. It holds at most the requests of a minute, and fills evenly.

    Parameters
    ----------
    path
        The file, which is created; None for a process alone.
    """

    def __init__(self, path: Path | None) -> None:
        size = _SLOTS * _SLOT.size
        self._file = None
        if path is None:
            self._map = mmap.mmap(-1, size)
            return
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if os.fstat(self._file).st_size < size:
            os.ftruncate(self._file, size)
        self._map = mmap.mmap(self._file, size)

    def take(self, name: str, rate_per_minute: float) -> float:
        """Take one token: 0 if there is one, else the seconds until there will be."""
        offset = zlib.crc32(name.encode()) % _SLOTS * _SLOT.size
        if self._file is not None:
            fcntl.lockf(self._file, fcntl.LOCK_EX, _SLOT.size, offset)
        try:
            tokens, counted = _SLOT.unpack_from(self._map, offset)
            now = time.monotonic()  # of the machine: the same for all its processes
            if counted <= 0 or counted > now:
                tokens = rate_per_minute
            else:
                tokens = min(rate_per_minute, tokens + (now - counted) * rate_per_minute / 60)
            wait = 0.0 if tokens >= 1 else (1 - tokens) * 60 / rate_per_minute
            _SLOT.pack_into(self._map, offset, tokens if wait else tokens - 1, now)
        finally:
            if self._file is not None:
                fcntl.lockf(self._file, fcntl.LOCK_UN, _SLOT.size, offset)
        return wait
