"""What preparing a dataset returns, and what the dataset says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a dataset was made from.

    Attributes
    ----------
    path
        Where it was.
    sha256
        Of its bytes.
    """

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table of a dataset.

    Attributes
    ----------
    rows
        How many it has.
    content
        A digest of its rows, which does not depend on how they are stored.
    sha256
        Of the file's bytes.
    """

    rows: int
    content: str
    sha256: str


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What a dataset says of itself: `dataset.json`.

    Attributes
    ----------
    format
        Of the folder; another number is not read.
    fingerprint
        SHA-256 of what defines the data: the tables' content, and how cases are made of it.
    read
        How much was read: interactions (`reviews`), items, and lines that could not be read (`bad_lines`).
    dropped
        How many interactions each rule dropped, and under `unbought` how many items.
    kept
        How many users, items and interactions there are.
    cases
        How many cases each part of the split has.
    warnings
        What the reader of the data must know.
    sources
        The files that were read.
    tables
        The files of the dataset, by name.
    recipe
        The recipe that it was made with.
    packages
        Versions of Python and of the packages that made it.
    seconds
        How long it took.
    peak_memory_bytes
        Most memory that the process held.
    """

    format: int
    fingerprint: str
    read: Mapping[str, int]
    dropped: Mapping[str, int]
    kept: Mapping[str, int]
    cases: Mapping[str, int]
    warnings: tuple[str, ...]
    sources: tuple[SourceFile, ...]
    tables: Mapping[str, TableFile]
    recipe: Mapping[str, Any]
    packages: Mapping[str, str]
    seconds: float = 0.0
    peak_memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class PrepareResult:
    """What ``shoptalk prepare --json`` prints; all but the folder stands in its `dataset.json`.

    Attributes
    ----------
    dataset
        The folder.
    read, dropped, kept, cases, fingerprint, seconds, peak_memory_bytes, warnings
        As in [DatasetInfo](#datasetinfo).
    """

    dataset: str
    read: Mapping[str, int]
    dropped: Mapping[str, int]
    kept: Mapping[str, int]
    cases: Mapping[str, int]
    fingerprint: str
    seconds: float
    peak_memory_bytes: int
    warnings: tuple[str, ...]
