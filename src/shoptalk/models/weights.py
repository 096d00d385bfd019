"""The weights in a folder: their hash, and checks that none is missing, NaN or infinite.

Only safetensors are read. The hash covers names, types, shapes and values: it stays the same when the same weights are
saved again or in other shards.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from shoptalk.errors import ModelError
from shoptalk.files import sha256

if TYPE_CHECKING:
    import torch

WHOLE, INDEX, ADAPTER = "model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors"
#: Names in a message; further ones are only counted.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Scan:
    """A SHA-256 (hex) over all tensors of a folder, their names, and the names of those with NaN or infinity."""

    sha256: str
    names: frozenset[str]
    not_finite: tuple[str, ...]


def scan(folder: Path, *, adapter: bool = False) -> Scan:
    """Read all weights of a model, or of an adapter, one tensor at a time.

    Raises
    ------
    ModelError
        When the folder has no safetensors, or they are damaged.
    """
    digest = hashlib.sha256()
    not_finite: list[str] = []
    try:
        digests: dict[str, str] = {}
        for path in _files(folder, adapter=adapter):
            with safe_open(path, framework="pt") as file:
                digests |= {name: _tensor_digest(file.get_tensor(name), name, not_finite) for name in file.keys()}  # noqa: SIM118
        for name in sorted(digests):
            digest.update(f"{name}\0{digests[name]}\n".encode())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise ModelError(f"the weights are damaged: {error}", where=str(folder), hint="copy them again") from error
    return Scan(digest.hexdigest(), frozenset(digests), tuple(sorted(not_finite)))


def files_digest(folder: Path) -> str:
    """A SHA-256 (hex) over names and bytes of all safetensors below a folder, as text encoders have them."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.safetensors")):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256(path)}\n".encode())
    return digest.hexdigest()


def _files(folder: Path, *, adapter: bool) -> list[Path]:
    name = ADAPTER if adapter else WHOLE
    if not adapter and not (folder / WHOLE).is_file() and (folder / INDEX).is_file():
        shards = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values()
        return [folder / shard for shard in sorted(set(shards))]
    if not (folder / name).is_file():
        pickled = sorted(path.name for path in folder.glob("*.bin"))
        raise ModelError(
            f"there is no {name}"
            + (f"; {', '.join(pickled[:_NAMED])} may be pickled and is not read" if pickled else ""),
            where=str(folder),
            hint="write the weights as safetensors: save_pretrained(folder)",
        )
    return [folder / name]


def _tensor_digest(tensor: "torch.Tensor", name: str, not_finite: list[str]) -> str:
    import torch

    if not is_finite(tensor):
        not_finite.append(name)
    head = f"{tensor.dtype} {tuple(tensor.shape)} ".encode()
    return hashlib.sha256(head + tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()).hexdigest()


def check_loaded(network: Any, loaded: Mapping[str, Any], name: str) -> None:
    """Make sure that every parameter of a network was in its files, and is finite.

    Parameters
    ----------
    loaded
        The loading info of ``from_pretrained(..., output_loading_info=True)``.

    Raises
    ------
    ModelError
        Naming the parameters that are missing, or hold NaN or infinity.
    """
    if missing := sorted(loaded["missing_keys"]):
        raise ModelError(
            f"the weights of {name!r} lack {listed(missing)}, which would be random",
            hint="copy the model again, or correct its config.json",
        )
    check_finite(_not_finite(network), name)


def check_finite(not_finite: Iterable[str], name: str) -> None:
    """Refuse weights with NaN or infinity.

    Raises
    ------
    ModelError
        Naming the tensors.
    """
    if names := list(not_finite):
        raise ModelError(
            f"the weights of {name!r} hold NaN or infinity in {listed(names)}", hint="copy the model again"
        )


def _not_finite(network: Any) -> list[str]:
    return [name for name, tensor in network.named_parameters() if not is_finite(tensor.detach())]


def is_finite(tensor: "torch.Tensor") -> bool:
    """Whether no element is NaN or infinite, which is so if the smallest and the largest are neither.

    This takes a fraction of the time of a comparison of every element, which also needs a copy of the tensor.
    """
    import torch

    if not tensor.is_floating_point() or tensor.numel() == 0:
        return True
    values = tensor if tensor.itemsize > 1 else tensor.float()  # 8-bit numbers have no comparison
    return all(bool(torch.isfinite(extreme)) for extreme in torch.aminmax(values))


def listed(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
