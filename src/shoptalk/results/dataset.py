"""The result of preparing a dataset, and the description of a dataset."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A source file of a dataset, or a table of a database.

    Attributes
    ----------
    path
        The path when it was read; of a database its address, without a password, and the table.
    sha256
        SHA-256 of the file; null for a table of a database.
    """

    path: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table of a dataset.

    Attributes
    ----------
    rows
        The number of rows.
    content
        A digest of the rows, independent of the file format.
    sha256
        SHA-256 of the file.
    """

    rows: int
    content: str
    sha256: str


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """The description of a dataset: `dataset.json`.

    Attributes
    ----------
    format
        Version of the folder's format; other versions are refused.
    fingerprint
        SHA-256 of the content of the tables and of the settings with which cases are built from them.
    read
        Numbers of interactions (`reviews`), items, and lines that could not be read (`bad_lines`).
    dropped
        Number of interactions that each rule dropped; `unbought` is a number of items.
    kept
        Numbers of users, items and interactions of the dataset.
    cases
        Number of cases of each part of the split.
    warnings
        Warnings about the data.
    sources
        The source files.
    tables
        The files of the dataset, by name.
    recipe
        The recipe with which it was prepared.
    packages
        Versions of Python and of packages.
    seconds
        Duration of the preparation.
    peak_memory_bytes
        Peak memory of the process.
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
    """The output of ``shoptalk prepare --json``; all keys but the folder are also in its `dataset.json`.

    Attributes
    ----------
    dataset
        The folder of the dataset.
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
