"""Tensors of a safetensors file as read-only arrays on the mapped file, which processes share in memory."""

import json
import math
import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

#: Element types of safetensors that NumPy has.
_TYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8",
    "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
#: Bytes of the number at the beginning of a file, the length of its header.
_LENGTH = 8


def map_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Tensors by name; nothing is copied, and pages are read when they are first used.

    The file must not be written to in place while the arrays are in use. Replacing it by another file is harmless.

    Raises
    ------
    OSError, ValueError, SafetensorError
        When the file is missing or damaged: its header must describe exactly the bytes that follow it.
    """
    with safe_open(path, framework="np"):  # checks sizes, types and offsets of the header
        pass
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    length = int.from_bytes(mapped[:_LENGTH], "little")
    begin = _LENGTH + length
    if begin > len(mapped):
        raise ValueError("the header is longer than the file")
    header = json.loads(mapped[_LENGTH:begin])
    header.pop("__metadata__", None)
    return {name: _array(mapped, begin, entry) for name, entry in header.items()}


def _array(mapped: mmap.mmap, begin: int, entry: dict[str, Any]) -> NDArray[Any]:
    """The array of one entry of the header; ``begin`` is the position behind the header."""
    kind, shape = np.dtype(_TYPES[entry["dtype"]]), tuple(entry["shape"])
    first, last = entry["data_offsets"]
    count = math.prod(shape)
    if not 0 <= first <= last <= len(mapped) - begin or last - first != count * kind.itemsize:
        raise ValueError("the header does not fit the data")
    array = np.frombuffer(mapped, dtype=kind, count=count, offset=begin + first) if count else np.empty(0, kind)
    return array.reshape(shape)
