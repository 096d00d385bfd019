"""The header of a GGUF file: its metadata and the shapes of its tensors, read with a check of every length.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian).
"""

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shoptalk.errors import ModelError

MAGIC = b"GGUF"
SUFFIX = ".gguf"
VERSIONS = (2, 3)
#: Formats of `struct` of the types of numbers, by the number of the type.
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
#: Arrays of arrays are read to this depth, and tensors to this number of dimensions.
_DEPTH, _DIMENSIONS = 4, 8
#: Metadata that is the size of some tensor, below the name of the architecture.
_SIZES = (
    "embedding_length",
    "feed_forward_length",
    "vocab_size",
    "attention.head_count",
    "attention.head_count_kv",
    "expert_count",
)
_HINT = "copy the file again"

Scalar = int | float | bool | str


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """A tensor of a GGUF file: its name, dimensions, the number of its type, and its offset in the part of the data."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """The header of a GGUF file.

    Attributes
    ----------
    metadata
        All values that are no arrays.
    lengths
        Number of elements of each array of the metadata.
    tensors
        Names, shapes and places of the tensors.
    data_start
        Offset of the tensors' data in the file.
    """

    metadata: Mapping[str, Scalar]
    lengths: Mapping[str, int]
    tensors: tuple[GgufTensor, ...]
    data_start: int

    def text(self, key: str) -> str | None:
        """The value of a key, if it is a text that is not empty."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) and value else None

    @property
    def architecture(self) -> str:
        """The name of the architecture; empty where the file has none."""
        return self.text("general.architecture") or ""


class _Damaged(ValueError):
    """The reason why a header cannot be read."""


class _Reader:
    """Reads values one after the other, and never beyond the end of the file."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.position, self.size = data, 0, len(data)

    def take(self, count: int) -> bytes:
        """The next bytes."""
        start = self.position
        self.skip(count)
        return self.data[start : self.position]

    def skip(self, count: int) -> None:
        """Move on by some bytes."""
        if count > self.size - self.position:
            raise _Damaged(f"it ends within its header, at byte {self.size:,}")
        self.position += count

    def number(self, form: str) -> int | float | bool:
        """The next number, in a format of `struct`."""
        value: int | float | bool = struct.unpack(f"<{form}", self.take(struct.calcsize(f"<{form}")))[0]
        return value

    def count(self, form: str = "Q") -> int:
        """The next whole number."""
        return int(self.number(form))

    def text(self) -> str:
        """The next text."""
        return self.take(self.count()).decode("utf-8", errors="replace")

    def array(self, depth: int = 1) -> int:
        """Skip an array; returns the number of its elements."""
        kind, length = self.count("I"), self.count()
        if kind in _NUMBERS:
            self.skip(length * struct.calcsize(f"<{_NUMBERS[kind]}"))
        elif kind == _TEXT:
            for _ in range(length):  # each takes at least 8 bytes, so the end of the file ends the loop
                self.skip(self.count())
        elif kind == _ARRAY and depth < _DEPTH:
            for _ in range(length):
                self.array(depth + 1)
        else:
            raise _Damaged(f"an array of its header has the unknown type {kind}")
        return length


def is_gguf(path: Path) -> bool:
    """Whether a path is a file that is named or begins as a GGUF file."""
    if not path.is_file():
        return False
    if path.suffix.lower() == SUFFIX:
        return True
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_header(path: Path) -> GgufHeader:
    """Read and check the header of a GGUF file.

    Raises
    ------
    ModelError
        For a file that cannot be read, is no GGUF file, is damaged, or is one part of several.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ModelError("not a GGUF file: it does not begin with GGUF", where=str(path), hint=_HINT)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                header = _read(_Reader(data))
    except (_Damaged, struct.error) as error:
        raise ModelError(f"the GGUF file is damaged: {error}", where=str(path), hint=_HINT) from error
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise ModelError(f"the file cannot be read: {reason}", where=str(path)) from error
    parts = header.metadata.get("split.count", 1)
    if isinstance(parts, int) and parts > 1:
        raise ModelError(
            f"the file is one of {parts} parts of a model", where=str(path), hint="join them: llama-gguf-split --merge"
        )
    if problem := _impossible(header):
        raise ModelError(f"the GGUF file is damaged: {problem}", where=str(path), hint=_HINT)
    return header


def _read(reader: _Reader) -> GgufHeader:
    reader.skip(len(MAGIC))
    version = reader.count("I")
    if version not in VERSIONS:
        raise _Damaged(f"its version is {version}, and versions {' and '.join(map(str, VERSIONS))} are read")
    tensor_count, value_count = reader.count(), reader.count()
    metadata: dict[str, Scalar] = {}
    lengths: dict[str, int] = {}
    for _ in range(value_count):
        key, kind = reader.text(), reader.count("I")
        if kind in _NUMBERS:
            metadata[key] = reader.number(_NUMBERS[kind])
        elif kind == _TEXT:
            metadata[key] = reader.text()
        elif kind == _ARRAY:
            lengths[key] = reader.array()
        else:
            raise _Damaged(f"the value of {key[:100]!r} has the unknown type {kind}")
    tensors = tuple(_tensor(reader) for _ in range(_within(tensor_count, reader)))
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20:
        raise _Damaged(f"its alignment is {alignment}")
    return GgufHeader(metadata, lengths, tensors, -(-reader.position // alignment) * alignment)


def _within(count: int, reader: _Reader) -> int:
    """A number of tensors, each of which takes at least 24 bytes of the remaining header."""
    if count * 24 > reader.size - reader.position:
        raise _Damaged(f"it ends before its {count:,} tensors")
    return count


def _tensor(reader: _Reader) -> GgufTensor:
    name, dimensions = reader.text(), reader.count("I")
    if dimensions > _DIMENSIONS:
        raise _Damaged(f"the tensor {name[:100]!r} has {dimensions} dimensions")
    shape = tuple(reader.count() for _ in range(dimensions))
    if math.prod(shape) >= 1 << 48:
        raise _Damaged(f"the tensor {name[:100]!r} has {math.prod(shape):,} elements")
    return GgufTensor(name, shape, reader.count("I"), reader.count())


def _impossible(header: GgufHeader) -> str | None:
    """What in the metadata does not fit the tensors; a network of such sizes would fill the memory."""
    if not header.tensors:
        return "it has no tensors"
    blocks = header.metadata.get(f"{header.architecture}.block_count", 0)
    if not isinstance(blocks, int) or blocks > len(header.tensors):
        return f"it says that it has {blocks} layers, and has {len(header.tensors)} tensors"
    largest = max(max(tensor.shape, default=1) for tensor in header.tensors)
    for name in _SIZES:
        size = header.metadata.get(f"{header.architecture}.{name}", 0)
        if not isinstance(size, int) or size > largest:
            return f"{name} is {size}, and the largest dimension of its tensors is {largest}"
    return None
