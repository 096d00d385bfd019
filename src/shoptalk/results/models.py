"""The result of listing base models."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class MemoryNeeds:
    """Memory that a model needs in fp32 on a CPU, in bytes, without the libraries (about 0.6 GB).

    Attributes
    ----------
    full, lora, qlora
        Training of all weights, of adapters, and of adapters on 4-bit weights, each with 4,096 tokens in a step.
    inference
        Scoring with 4,096 tokens in a batch.
    """

    full: int
    lora: int
    qlora: int
    inference: int


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A base model that is at hand.

    Attributes
    ----------
    name
        The value of `model.base`.
    kind
        `nano` (trained from random weights), `prepared` by `shoptalk models add`, or in the `hub` cache.
    architecture
        As in the model's configuration.
    parameters
        Number of weights.
    layers, width, vocabulary, context
        Number of layers, hidden size, number of token ids, and the longest text in tokens.
    licence
        As the model's file or card names it; null where it is not known.
    source
        Of a prepared model: the GGUF file, name of the hub or folder that it was made from.
    path
        Its folder; null for `nano`.
    memory
        What it needs.
    """

    name: str
    kind: Literal["nano", "prepared", "hub"]
    architecture: str
    parameters: int
    layers: int
    width: int
    vocabulary: int
    context: int
    licence: str | None
    source: str | None
    path: str | None
    memory: MemoryNeeds


@dataclass(frozen=True, slots=True)
class ModelsResult:
    """The output of ``shoptalk models --json``.

    Attributes
    ----------
    folder
        The folder of prepared models.
    models
        The base models at hand.
    unreadable
        Folders of models that cannot be read, with the reason.
    """

    folder: str
    models: tuple[ModelEntry, ...]
    unreadable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddedModel:
    """The output of ``shoptalk models add --json``.

    Attributes
    ----------
    name
        The value of `model.base`.
    path
        Its folder.
    added
        False where the same model was prepared before under this name.
    seconds
        Time that it took.
    """

    name: str
    path: str
    added: bool
    seconds: float
