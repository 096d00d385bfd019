"""The models folder: base models prepared by ``shoptalk models add``, and GGUF files that were converted on first use.

Each model is a folder with safetensors, configuration and tokenizer, and a record of where it came from.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from shoptalk.errors import ModelError, UsageError
from shoptalk.files import read_json, replacing, sha256, write_json
from shoptalk.typed_json import SchemaError, as_json, from_json

#: The environment variable that names the models folder, and the folder where it is not set.
VARIABLE, DEFAULT = "SHOPTALK_MODELS", "~/.cache/shoptalk/models"
#: In the folder of a prepared model: its `Source`.
RECORD = "source.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
#: Digits of the SHA-256 in the name of a file that was converted on first use.
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Source:
    """What a prepared model was made from.

    Attributes
    ----------
    kind
        A GGUF file, a name of the Hugging Face hub, or a folder.
    name
        Name of the file or folder, or the name on the hub.
    sha256
        Of the GGUF file; of other models the weights have a hash of their own.
    revision
        The commit of a model of the hub.
    quantisation
        The type of most weights of the GGUF file, such as ``Q4_1``.
    licence
        As the file or the model card names it.
    """

    kind: Literal["gguf", "hub", "folder"]
    name: str
    sha256: str | None = None
    revision: str | None = None
    quantisation: str | None = None
    licence: str | None = None


def models_folder() -> Path:
    """The folder of prepared models, which need not exist."""
    return Path(os.environ.get(VARIABLE) or DEFAULT).expanduser()


def prepared_models() -> Iterator[tuple[str, Path]]:
    """Name and folder of each prepared model, in alphabetical order."""
    folder = models_folder()
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if _NAME.fullmatch(path.name) and (path / RECORD).is_file():
                yield path.name, path


def prepared_folder(name: str) -> Path | None:
    """The folder of the prepared model of a name; None where there is none."""
    folder = models_folder() / name
    return folder if _NAME.fullmatch(name) and (folder / RECORD).is_file() else None


def read_source(folder: Path) -> Source | None:
    """What the model in a folder was made from; None for a folder that was not prepared.

    Raises
    ------
    ModelError
        When the record is damaged.
    """
    hint = "remove the folder, and prepare the model again: shoptalk models add"
    content = read_json(folder / RECORD, error=ModelError, hint=hint)
    if content is None:
        return None
    try:
        return from_json(Source, content)
    except SchemaError as error:
        raise ModelError(f"damaged: {error}", where=str(folder / RECORD), hint=hint) from error


def check_name(name: str) -> str:
    """A name that a prepared model may have.

    Raises
    ------
    UsageError
        For any other.
    """
    if name == "nano" or not _NAME.fullmatch(name):
        raise UsageError(
            f"a prepared model cannot have the name {name!r}",
            hint="letters, digits, dots, hyphens and underscores, and not nano",
        )
    return name


def write_model(name: str, write: Callable[[Path], Source]) -> Path:
    """Write a model into the models folder; it is there as a whole or not at all.

    Parameters
    ----------
    write
        Writes the model into an empty folder, and returns what it was made from.
    """
    folder = models_folder() / check_name(name)
    with replacing(folder) as temporary:
        temporary.mkdir()
        source = write(temporary)
        write_json(temporary / RECORD, as_json(source))
    return folder


def folder_of(digest: str) -> Path | None:
    """The folder of the prepared model that was made from the GGUF file with a SHA-256; None where there is none."""
    for _, folder in prepared_models():
        source = read_source(folder)
        if source is not None and source.sha256 == digest:
            return folder
    return None


def gguf_folder(file: Path) -> Path:
    """The folder of a converted GGUF file: prepared before under any name, or converted now.

    Raises
    ------
    MissingExtra
        Without the package ``gguf``, where the file must be converted.
    ModelError
        When there is no such file, or it cannot be converted.
    """
    if not file.is_file():
        raise ModelError("there is no such file", where=str(file), hint="shoptalk models lists the models at hand")
    digest = gguf_digest(file)
    return folder_of(digest) or write_model(
        f"{model_name(file.name)}-{digest[:_DIGITS]}", lambda folder: write_gguf(file, folder)
    )


def write_gguf(file: Path, folder: Path) -> Source:
    """Convert a GGUF file into an empty folder."""
    from shoptalk.models.gguf_conversion import convert, quantisation_of
    from shoptalk.models.gguf_header import read_header

    convert(file, folder)
    licence = read_header(file).text("general.license")
    return Source("gguf", file.name, gguf_digest(file), None, quantisation_of(file), licence)


def gguf_digest(file: Path) -> str:
    """SHA-256 (hex) of a file, computed once for each state of the file."""
    state = file.stat()
    return _digest(str(file.resolve()), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=16)
def _digest(path: str, _size: int, _modified: int) -> str:
    return sha256(Path(path))


def model_name(source: str) -> str:
    """The name of a model that is made from a file, a folder, or a name of the hub, unless another is given."""
    stem = Path(source).name.lower().removesuffix(".gguf")
    return re.sub(r"[^a-z0-9._-]+", "-", stem).strip("-._")[:80] or "model"
