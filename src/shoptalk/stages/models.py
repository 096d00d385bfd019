"""Base models: list those that are at hand with what they need, and prepare one.

Listing reads configurations and the headers of weights, and imports no model library.
"""

import json
import re
import shutil
import struct
import time
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from shoptalk.errors import ModelError, ShoptalkError, UsageError
from shoptalk.files import read_json
from shoptalk.models.gguf_header import SUFFIX, is_gguf
from shoptalk.models.memory import ModelShape, memory_needs, shape_of
from shoptalk.models.prepared import (
    Source,
    check_name,
    gguf_digest,
    model_name,
    models_folder,
    prepared_folder,
    prepared_models,
    read_source,
    write_gguf,
    write_model,
)
from shoptalk.recipe import Model, decided
from shoptalk.results.models import AddedModel, ModelEntry, ModelsResult

WEIGHTS = "*.safetensors"
#: Files of a model that are copied: weights, configuration and tokenizer, and no code.
_COPIED = (WEIGHTS, "*.safetensors.index.json", "*.json", "*.jinja", "tokenizer.model", "*.txt")
_LICENCE = re.compile(r"^license:\s*[\"']?([\w.+-]+)", re.MULTILINE)
#: Largest header of a safetensors file, as the format defines it.
_LARGEST_HEADER = 100_000_000


def list_models() -> ModelsResult:
    """The base models at hand: nano, prepared models, and causal models in the cache of the hub."""
    entries, unreadable = [_nano()], []
    for name, kind, folder in _folders():
        try:
            entries.append(_entry(name, kind, folder))
        except (ShoptalkError, OSError, ValueError, KeyError, TypeError) as error:
            reason = error.message if isinstance(error, ShoptalkError) else str(error)
            unreadable.append(f"{folder}: {' '.join(reason.split())[:200]}")
    return ModelsResult(str(models_folder()), tuple(entries), tuple(unreadable))


def add_model(source: str, name: str | None = None) -> AddedModel:
    """Prepare a GGUF file, a folder, or a model of the hub, so that its name can be given as ``model.base``.

    Raises
    ------
    UsageError
        When another model has the name.
    ShoptalkError
        When the model cannot be read, or the folder cannot be written.
    """
    begin = time.monotonic()
    name = check_name(model_name(source) if name is None else name)
    path = Path(source).expanduser()
    from_file = is_gguf(path) or path.suffix.lower() == SUFFIX or path.is_file()
    if from_file and not path.is_file():
        raise ModelError("there is no such file", where=source, hint="give a GGUF file, a folder or a name of the hub")
    existing = prepared_folder(name)
    if existing is not None:
        if not _same(read_source(existing), path if from_file else None, source):
            raise UsageError(
                f"another model has the name {name!r}", where=str(existing), hint="give another --name, or remove it"
            )
        return AddedModel(name, str(existing), False, round(time.monotonic() - begin, 1))
    if (target := models_folder() / name).exists():
        raise UsageError("this folder is no prepared model", where=str(target), hint="give another --name")
    folder = write_model(name, lambda to: write_gguf(path, to) if from_file else _copy(source, to))
    return AddedModel(name, str(folder), True, round(time.monotonic() - begin, 1))


def _same(known: Source | None, file: Path | None, source: str) -> bool:
    """Whether a prepared model was made from this file, folder, or name of the hub."""
    if known is None:
        return False
    return known.sha256 == gguf_digest(file) if file is not None else known.name == _source_name(source)


def _source_name(source: str) -> str:
    """A name of the hub as it is, a folder by its full path."""
    folder = Path(source).expanduser()
    return str(folder.resolve()) if folder.is_dir() else source


def _copy(source: str, target: Path) -> Source:
    """Copy the files of a model in a folder, or of the hub, and load the copy to check it."""
    from shoptalk.models.bases import ADAPTER_CARD, CARD
    from shoptalk.models.storage import load_network
    from shoptalk.models.tokenizer import load_tokenizer

    local = Path(source).expanduser().is_dir()
    folder = Path(source).expanduser().resolve() if local else _download(source)
    if local and ((folder / ADAPTER_CARD).exists() or (folder / CARD).exists()):
        raise ModelError(
            "the model of a run is no plain base", where=source, hint="name its folder as model.base; it needs no copy"
        )
    for path in {path for pattern in _COPIED for path in folder.glob(pattern)}:
        shutil.copyfile(path, target / path.name)
    load_tokenizer(str(target))
    load_network(str(target), "full", "fp32")
    licence = _licence(folder / "README.md")
    if local:
        return Source("folder", _source_name(source), licence=licence)
    return Source("hub", source, revision=folder.name, licence=licence)


def _download(name: str) -> Path:
    """The snapshot of a model of the hub; downloaded where it is not in the cache."""
    from huggingface_hub import snapshot_download

    from shoptalk.models.loading_errors import LOADING_HINT, first_line
    from shoptalk.models.quiet import quiet

    try:
        with quiet():
            return Path(snapshot_download(name, allow_patterns=[*_COPIED, "README.md"]))
    except Exception as error:  # no network, no such name, no access: each is another type
        raise ModelError(f"cannot download {name!r}: {first_line(error)}", hint=LOADING_HINT) from error


def _folders() -> Iterator[tuple[str, Any, Path]]:
    """Name, kind and folder of the prepared and the cached models."""
    for name, folder in prepared_models():
        yield name, "prepared", folder
    from huggingface_hub.constants import HF_HUB_CACHE

    for folder in sorted(Path(HF_HUB_CACHE).glob("models--*")):
        revision = folder / "refs" / "main"
        if revision.is_file():
            snapshot = folder / "snapshots" / revision.read_text(encoding="utf-8").strip()
            if (snapshot / "config.json").is_file() and any(snapshot.glob(WEIGHTS)) and _is_causal(snapshot):
                yield folder.name.removeprefix("models--").replace("--", "/"), "hub", snapshot


def _is_causal(folder: Path) -> bool:
    config = read_json(folder / "config.json", error=ModelError) or {}
    return any("CausalLM" in str(name) or "LMHead" in str(name) for name in config.get("architectures") or ())


def _entry(name: str, kind: Any, folder: Path) -> ModelEntry:
    config = read_json(folder / "config.json", error=ModelError)
    if config is None:
        raise ModelError("there is no config.json", where=str(folder))
    shape = shape_of(config, count_parameters(folder))
    source = read_source(folder)
    architectures = config.get("architectures") or [config.get("model_type", "")]
    licence = source.licence if source is not None else None
    return ModelEntry(
        name=name,
        kind=kind,
        architecture=str(architectures[0]),
        parameters=shape.parameters,
        layers=shape.layers,
        width=shape.width,
        vocabulary=shape.vocabulary,
        context=shape.context,
        licence=licence or _licence(folder / "README.md"),
        source=source.name if source is not None else None,
        path=str(folder),
        memory=memory_needs(shape),
    )


def nano_shape(model: Model) -> ModelShape:
    """The sizes of the model that `shoptalk.models.create.nano` makes of a recipe's settings."""
    width = decided(model.width)
    inner = int(width * 8 / 3 + 31) // 32 * 32
    layer = 4 * width * width + 3 * width * inner + 2 * width
    parameters = model.vocabulary * width + model.layers * layer + width
    return ModelShape(parameters, model.layers, width, inner, width, model.vocabulary, 2048)


def _nano() -> ModelEntry:
    shape = nano_shape(Model())
    return ModelEntry(
        name="nano",
        kind="nano",
        architecture="LlamaForCausalLM",
        parameters=shape.parameters,
        layers=shape.layers,
        width=shape.width,
        vocabulary=shape.vocabulary,
        context=shape.context,
        licence=None,
        source=None,
        path=None,
        memory=memory_needs(shape),
    )


def count_parameters(folder: Path) -> int:
    """Number of elements of all tensors in the safetensors of a folder, by their headers.

    Raises
    ------
    ModelError
        When a file is damaged, or there is none.
    """
    files = sorted(folder.glob(WEIGHTS))
    if not files:
        raise ModelError("there are no safetensors", where=str(folder))
    return sum(_elements(file) for file in files)


def _elements(path: Path) -> int:
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _LARGEST_HEADER:
                raise ValueError("its header is too long")
            header = json.loads(file.read(length))
        return sum(prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
    except (ValueError, KeyError, TypeError, AttributeError, struct.error, RecursionError) as error:
        raise ModelError(f"the weights are damaged: {error}", where=str(path), hint="copy them again") from error


def _licence(card: Path) -> str | None:
    """The licence in the front matter of a model card."""
    if not card.is_file():
        return None
    text = card.read_text(encoding="utf-8", errors="replace")
    front = text.split("---", 2)[1] if text.startswith("---") and text.count("---") >= 2 else ""
    match = _LICENCE.search(front)
    return match[1] if match else None
