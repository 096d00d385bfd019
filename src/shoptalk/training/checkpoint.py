"""Checkpoints: everything that training needs to go on as if nothing had happened; safetensors and JSON, never pickle.

A checkpoint is a folder that appears under its name only when it is whole, so a crash, a ``kill -9`` or a full disk
leaves the one before it.
"""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from shoptalk.errors import RunError, StorageError
from shoptalk.files import replacing

_NAME = re.compile(r"step-(\d{8})")


@dataclass
class State:
    """Where training stands: ``epoch`` and ``batch`` are the next to do, counted from 0.

    ``loss_sum`` and its number of ``terms`` run over the current epoch, ``tokens`` and ``seconds`` over all of them;
    ``skipped`` counts epochs that early stopping saved; ``kept`` says for each phase after how many of its epochs its
    weights were kept; ``scaler`` is the state of the gradient scaler, empty where there is none.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    terms: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best_loss: float = float("inf")
    best_epoch: int = -1
    skipped: int = 0
    losses: list[dict[str, Any]] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)
    scaler: dict[str, float] = field(default_factory=dict)


def save_checkpoint(folder: Path, state: State, weights: dict[str, Tensor], optimiser: Any) -> None:
    """Write a checkpoint as ``folder/step-NNNNNNNN`` and remove older ones."""
    moments = _OptimiserState.of(optimiser)
    tensors = dict(moments.tensors)
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    path = folder / f"step-{state.step:08d}"
    with replacing(path) as temporary:
        temporary.mkdir()
        save_tensors(weights, temporary / "weights.safetensors")
        save_tensors(tensors, temporary / "optimiser.safetensors")
        text = json.dumps(
            {"state": asdict(state), "optimiser": {"param_groups": moments.groups, "state": moments.values}}
        )
        (temporary / "state.json").write_text(text, encoding="utf-8")
    for other in folder.iterdir():
        if other != path and other.is_dir():
            shutil.rmtree(other, ignore_errors=True)


def load_checkpoint(folder: Path, weights: Mapping[str, Tensor], optimiser: Any) -> State | None:
    """Put the latest checkpoint into the weights and the optimiser; None where there is no checkpoint.

    Raises
    ------
    RunError
        When the checkpoint does not fit the model, or cannot be read.
    """
    found = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)]
    if not found:
        return None
    path = max(found)
    try:
        saved = load_file(path / "weights.safetensors")
        tensors = load_file(path / "optimiser.safetensors")
        content = json.loads((path / "state.json").read_text(encoding="utf-8"))
        state = State(**content["state"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise RunError(f"damaged checkpoint: {error}", where=str(path), hint="remove it and train again") from error
    load_weights(saved, weights, path)
    torch.set_rng_state(tensors.pop("random.cpu"))
    if (cuda := tensors.pop("random.cuda", None)) is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(cuda)
    moments = content["optimiser"]
    _OptimiserState(tensors, moments["state"], moments["param_groups"]).put_into(optimiser)
    return state


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors.

    Raises
    ------
    StorageError
        When the disk is full or the place cannot be written.
    """
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        raise StorageError(f"cannot write: {error}", where=str(path), hint="free space, then --resume") from error


def load_weights(saved: dict[str, Tensor], weights: Mapping[str, Tensor], where: Path) -> None:
    """Copy saved weights into the model's own; every name and shape must be the same.

    Raises
    ------
    RunError
        When they are not.
    """
    if {name: t.shape for name, t in saved.items()} != {name: t.shape for name, t in weights.items()}:
        raise RunError("these weights are of another model", where=str(where), hint="train again without --resume")
    with torch.no_grad():
        for name, tensor in weights.items():
            tensor.copy_(saved[name])


@dataclass(frozen=True, slots=True)
class _OptimiserState:
    """An optimiser's state as it is stored: ``tensors`` by parameter number and name, and what goes into JSON."""

    tensors: dict[str, Tensor]
    values: dict[str, dict[str, Any]]
    groups: list[dict[str, Any]]

    @classmethod
    def of(cls, optimiser: Any) -> "_OptimiserState":
        state = optimiser.state_dict()
        tensors: dict[str, Tensor] = {}
        plain: dict[str, dict[str, Any]] = {}
        for number, values in state["state"].items():
            for name, value in values.items():
                if isinstance(value, Tensor):
                    tensors[f"{number}.{name}"] = value.detach().contiguous()
                else:
                    plain.setdefault(str(number), {})[name] = value
        return cls(tensors, plain, state["param_groups"])

    def put_into(self, optimiser: Any) -> None:
        state = {int(number): dict(values) for number, values in self.values.items()}
        for key, tensor in self.tensors.items():
            number, name = key.split(".", 1)
            state.setdefault(int(number), {})[name] = tensor
        optimiser.load_state_dict({"state": state, "param_groups": self.groups})
