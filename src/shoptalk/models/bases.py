"""The base of a training: a plain model, or the model of another run, whose adapters are merged first."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from shoptalk.errors import ModelError
from shoptalk.models.gguf_header import SUFFIX, is_gguf
from shoptalk.models.loading_errors import LOADING_HINT
from shoptalk.models.prepared import Source, folder_of, gguf_folder, prepared_folder, read_source
from shoptalk.models.tokenizer import Tokenizer, load_tokenizer
from shoptalk.models.weights import INDEX, WHOLE, check_finite, files_digest, scan
from shoptalk.schema import ITEM_OPENS
from shoptalk.typed_json import SchemaError, as_json, from_json

#: In a saved model's folder: its base, tuning and precision, so that it can be loaded again.
CARD = "shoptalk.json"
ADAPTER_CARD = "adapter_config.json"

#: Loads a plain network by name or path, tuning and precision.
Loader = Callable[[str, str, str], Any]


@dataclass(frozen=True, slots=True)
class Base:
    """The folder of a base and the hash of its weights; both are None for a hub name that is not cached.

    ``source`` is what a prepared base was made from, such as a GGUF file.
    """

    path: str | None
    sha256: str | None
    source: Source | None = None

    def card(self, folder: Path) -> dict[str, Any]:
        """The base as the card of a model in ``folder`` records it; the relative path lets both be moved together."""
        relative = os.path.relpath(self.path, folder.resolve()) if self.path else None
        card = {"path": self.path, "relative": relative, "sha256": self.sha256}
        return card if self.source is None else {**card, "source": as_json(self.source)}

    @classmethod
    def from_card(cls, card: Mapping[str, Any], path: str | None = None) -> "Base":
        """The base that `card` recorded, in its current folder if that is another.

        Raises
        ------
        ModelError
            When the record is damaged.
        """
        try:
            source = None if card.get("source") is None else from_json(Source, card["source"])
        except SchemaError as error:
            raise ModelError(f"the record of the base is damaged: source{error}", hint="train again") from error
        return cls(path or card["path"], card["sha256"], source)


def local_folder(name: str) -> Path | None:
    """The folder of a model by path, by the name of a prepared model or of the hub; a GGUF file is converted first.

    Raises
    ------
    ModelError
        For the folder of a run instead of its model, a folder with two models, or a file that is no model.
    """
    folder = Path(name).expanduser()
    if is_gguf(folder) or folder.suffix.lower() == SUFFIX:
        return gguf_folder(folder)
    if folder.is_file():
        raise ModelError("this file is no model", where=name, hint=LOADING_HINT)
    if not folder.is_dir():
        return prepared_folder(name) or _cached(name)
    if (folder / "run.json").exists() and not (folder / CARD).exists():
        raise ModelError("this is the folder of a run", where=name, hint=f"name its model: {folder / 'model'}")
    if (folder / ADAPTER_CARD).exists() and ((folder / WHOLE).exists() or (folder / INDEX).exists()):
        raise ModelError(
            f"the folder holds a whole model and an adapter ({ADAPTER_CARD})", where=name, hint="keep one of the two"
        )
    return folder.resolve()


def _cached(name: str) -> Path | None:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except Exception:  # not a hub name, or not cached: loading reports it
        return None


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a saved model; empty where there is none.

    Raises
    ------
    ModelError
        When it is damaged.
    """
    path = folder / CARD
    if not path.exists():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        return {**card, "base": str(card["base"]), "tuning": str(card["tuning"]), "precision": str(card["precision"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError("not a saved model", where=str(folder), hint="train first: shoptalk train") from error


def item_range(card: Mapping[str, Any]) -> tuple[int, int]:
    """The token id of the first item in the card of a saved model, and the number of items; 0 and 0 without items."""
    return (int(card["items"]["first"]), int(card["items"]["count"])) if "items" in card else (0, 0)


def check_names(card: Mapping[str, Any], tokenizer: Tokenizer, folder: Path) -> None:
    """Make sure that the tokens of items and users have the ids that the card records.

    Raises
    ------
    ModelError
        When they have others.
    """
    if card.get("tokens", tokenizer.names_digest()) != tokenizer.names_digest():
        raise ModelError(
            "the tokens of items or users have other ids than in training", where=str(folder), hint="train again"
        )


def item_folder(name: str, encoder: str) -> Path | None:
    """The folder of a base that is a saved model with item tokens; None for every other base.

    Raises
    ------
    ModelError
        When its items were built with another text encoder than the recipe's.
    """
    folder = None if name == "nano" else local_folder(name)
    if folder is None or "items" not in read_card(folder):
        return None
    path = folder / "encoder.json"
    saved = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"encoder": "none"}
    saved_encoder = saved["encoder"]
    if not (saved_encoder == encoder if saved.get("path") is None else _has_digest(encoder, saved["sha256"])):
        raise ModelError(
            f"the items of this base were built with the encoder {saved_encoder!r}, not with {encoder!r}",
            where=str(folder),
            hint=f'set items.encoder to "{saved_encoder}"',
        )
    return folder


def _has_digest(name: str, digest: str) -> bool:
    """Whether a name is the folder of a text encoder with these weights."""
    folder = Path(name).expanduser()
    return folder.is_dir() and files_digest(folder) == digest


def base_tokenizer(name: str) -> Tokenizer:
    """The tokenizer of a base, without the item tokens of `ItemTokens`; an adapter without one has that of its base."""
    folder = local_folder(name)
    if folder is None:
        return load_tokenizer(name)
    if (folder / ADAPTER_CARD).exists() and not (folder / "tokenizer_config.json").exists():
        return base_tokenizer(_base_of_adapter(folder))
    tokenizer = load_tokenizer(str(folder))
    return tokenizer.without(ITEM_OPENS) if "items" in read_card(folder) else tokenizer


def find_base(name: str) -> Base:
    """The folder of a base and the hash of its weights; for an adapter the hash includes that of its base."""
    folder = local_folder(name)
    if folder is None:
        return Base(None, None)
    if not (folder / ADAPTER_CARD).exists():
        return Base(str(folder), scan(folder).sha256, read_source(folder))
    settings = json.loads((folder / ADAPTER_CARD).read_text(encoding="utf-8"))
    scale = [settings.get(key) for key in ("r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora")]
    adapted = find_base(_base_of_adapter(folder))
    parts = [adapted.sha256, scan(folder, adapter=True).sha256, scale]
    return Base(str(folder), sha256(json.dumps(parts).encode()).hexdigest(), adapted.source)


def _base_of_adapter(folder: Path) -> str:
    """The base of an adapter: as its card says, or PEFT's own file."""
    card = read_card(folder)
    if card:
        return locate(card, folder)
    try:
        settings = json.loads((folder / ADAPTER_CARD).read_text(encoding="utf-8"))
        name = str(settings["base_model_name_or_path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"damaged adapter: {error}", where=str(folder / ADAPTER_CARD)) from error
    beside = folder / name
    return str(beside) if not Path(name).is_dir() and beside.is_dir() else name


def locate(card: dict[str, Any], folder: Path) -> str:
    """The base on which the adapters in a folder were trained, by its relative path or else its absolute path.

    Raises
    ------
    ModelError
        When it is missing, or its weights have another hash than in training.
    """
    origin = card.get("origin") or {}
    if not origin.get("path"):
        return str(card["base"])
    return relocate(origin, folder, "base", "on which these adapters were trained", lambda path: find_base(path).sha256)


def relocate(origin: Mapping[str, Any], folder: Path, what: str, use: str, digest: Callable[[str], str | None]) -> str:
    """The current path of a folder that was used before: relative to ``folder``, its former path, or prepared again.

    Parameters
    ----------
    origin
        The `Base.card` that is recorded in ``folder``.
    what, use
        Its kind and its use, for error messages.
    digest
        The hash of the weights in a folder.

    Raises
    ------
    ModelError
        When it is missing, or its weights have another hash.
    """
    paths = list(dict.fromkeys([os.path.normpath(folder.resolve() / origin["relative"]), origin["path"]]))
    if digest_of_file := (origin.get("source") or {}).get("sha256"):  # prepared again, on another machine perhaps
        paths += [str(path) for path in [folder_of(digest_of_file)] if path is not None and str(path) not in paths]
    existing = [path for path in paths if Path(path).is_dir()]
    for path in existing:
        if digest(path) == origin["sha256"]:
            return str(path)
    if existing:
        raise ModelError(
            f"the {what} in {existing[0]} is not the one {use}: its weights differ",
            where=str(folder),
            hint=f"put the former {what} back, or train again",
        )
    raise ModelError(f"the {what} {use} is gone: {' and '.join(paths)}", where=str(folder), hint="put it back there")


def base_network(name: str, tuning: str, precision: str, load: Loader) -> tuple[Any, tuple[str, ...]]:
    """The network of a base with adapters merged, and notes for the log.

    Raises
    ------
    ModelError
        When it cannot be loaded or merged.
    """
    import torch

    from shoptalk.models.lora import load_adapters

    folder = local_folder(name)
    if folder is None or not (folder / ADAPTER_CARD).exists():
        if folder is not None and tuning == "qlora":
            check_finite(scan(folder).not_finite, name)  # not detectable after quantisation
        return load(str(folder or name), tuning, precision), ()
    settings = json.loads((folder / ADAPTER_CARD).read_text(encoding="utf-8"))
    if settings.get("peft_type") != "LORA":
        raise ModelError(
            f"an adapter of the kind {settings.get('peft_type')} cannot be merged",
            where=str(folder),
            hint="merge it into its base with PEFT and name the merged folder",
        )
    adapter_base = _base_of_adapter(folder)
    four_bit = read_card(folder).get("tuning") == "qlora"
    plain, notes = base_network(adapter_base, "qlora" if four_bit else "full", "fp32", load)
    if four_bit:  # the adapter was trained on quantised weights
        plain = plain.dequantize(torch.float32)
    adapter = scan(folder, adapter=True)
    check_finite(adapter.not_finite, str(folder))
    card = read_card(folder)
    if card:
        tokenizer = load_tokenizer(str(folder))
        size = int(card["items"]["first"]) if "items" in card else tokenizer.size
        if size > plain.get_input_embeddings().weight.shape[0]:
            plain.resize_token_embeddings(size)
    network = load_adapters(plain, folder, quantised=False).merge_and_unload(safe_merge=True)
    notes = (*notes, f"the adapter in {folder} was merged into its base {adapter_base}")
    if tuning == "full":
        return network.requires_grad_(True), notes
    with TemporaryDirectory() as temporary:
        network.save_pretrained(temporary)
        return load(temporary, tuning, precision), notes
