"""Checkpoints, from which an interrupted training continues with bit-identical results; safetensors and JSON only.

A checkpoint is a folder that gets its name only when it is complete. A crash, a ``kill -9`` or a full disk leaves the
previous checkpoint.
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
    """The progress of a training; the names of the fields are keys of ``state.json``.

    Attributes
    ----------
    epoch, batch
        The next to train, counted from 0.
    step
        Updates so far.
    loss_sum, terms
        Sum of the losses of the current epoch, and the number of terms in it.
    tokens, seconds
        Totals of all epochs.
    best_loss, best_epoch
        Lowest validation cost of the current phase, and its epoch, counted from 0; -1 before the first.
    skipped
        Number of epochs that early stopping left out.
    losses
        A row for each epoch, as in ``log.jsonl``.
    kept
        By name of the phase: the number of its epochs after which its weights were kept.
    scaler
        State of the gradient scaler; empty where there is none.
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
    optimiser_state = _OptimiserState.of(optimiser)
    tensors = dict(optimiser_state.tensors)
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    path = folder / f"step-{state.step:08d}"
    with replacing(path) as temporary:
        temporary.mkdir()
        save_tensors(weights, temporary / "weights.safetensors")
        save_tensors(tensors, temporary / "optimiser.safetensors")
        optimiser_content = {"param_groups": optimiser_state.groups, "state": optimiser_state.values}
        content = {"state": asdict(state), "optimiser": optimiser_content}
        (temporary / "state.json").write_text(json.dumps(content), encoding="utf-8")
    for older in folder.iterdir():
        if older != path and older.is_dir():
            shutil.rmtree(older, ignore_errors=True)


def load_checkpoint(folder: Path, weights: Mapping[str, Tensor], optimiser: Any) -> State | None:
    """Load the latest checkpoint into the weights and the optimiser; None where there is no checkpoint.

    The state of the random number generators is restored as well.

    Raises
    ------
    RunError
        When the checkpoint does not fit the model, or cannot be read.
    """
    paths = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)]
    if not paths:
        return None
    path = max(paths)
    try:
        saved = load_file(path / "weights.safetensors")
        tensors = load_file(path / "optimiser.safetensors")
        content = json.loads((path / "state.json").read_text(encoding="utf-8"))
        state = State(**content["state"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise RunError(f"damaged checkpoint: {error}", where=str(path), hint="remove it and train again") from error
    load_weights(saved, weights, path)
    torch.set_rng_state(tensors.pop("random.cpu"))
    if (cuda_state := tensors.pop("random.cuda", None)) is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(cuda_state)
    optimiser_content = content["optimiser"]
    _OptimiserState(tensors, optimiser_content["state"], optimiser_content["param_groups"]).load_into(optimiser)
    return state


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors.

    Raises
    ------
    StorageError
        When the disk is full or the file cannot be written.
    """
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        raise StorageError(f"cannot write: {error}", where=str(path), hint="free space, then --resume") from error


def load_weights(saved: dict[str, Tensor], weights: Mapping[str, Tensor], where: Path) -> None:
    """Copy saved weights into the weights of a model.

    Parameters
    ----------
    saved, weights
        Source and destination, by name of the parameter.
    where
        The file of the saved weights, for the error.

    Raises
    ------
    RunError
        When names or shapes differ.
    """
    if {name: t.shape for name, t in saved.items()} != {name: t.shape for name, t in weights.items()}:
        raise RunError("these weights are of another model", where=str(where), hint="train again without --resume")
    with torch.no_grad():
        for name, tensor in weights.items():
            tensor.copy_(saved[name])


@dataclass(frozen=True, slots=True)
class _OptimiserState:
    """An optimiser's state as it is stored.

    Attributes
    ----------
    tensors
        By ``number.name``: the number of the parameter and the name of its state, such as ``3.exp_avg``.
    values
        States that are no tensors, by number of the parameter, then by name.
    groups
        The parameter groups with their settings.
    """

    tensors: dict[str, Tensor]
    values: dict[str, dict[str, Any]]
    groups: list[dict[str, Any]]

    @classmethod
    def of(cls, optimiser: Any) -> "_OptimiserState":
        """The current state of an optimiser."""
        content = optimiser.state_dict()
        tensors: dict[str, Tensor] = {}
        values: dict[str, dict[str, Any]] = {}
        for number, parameter_state in content["state"].items():
            for name, value in parameter_state.items():
                if isinstance(value, Tensor):
                    tensors[f"{number}.{name}"] = value.detach().contiguous()
                else:
                    values.setdefault(str(number), {})[name] = value
        return cls(tensors, values, content["param_groups"])

    def load_into(self, optimiser: Any) -> None:
        """Set the state of an optimiser of the same parameters."""
        state = {int(number): dict(values) for number, values in self.values.items()}
        for key, tensor in self.tensors.items():
            number, name = key.split(".", 1)
            state.setdefault(int(number), {})[name] = tensor
        optimiser.load_state_dict({"state": state, "param_groups": self.groups})
