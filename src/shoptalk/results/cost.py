"""The cost of a run: time, memory and energy."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Energy:
    """The energy of a stage.

    Attributes
    ----------
    joules
        Energy; null if the machine does not measure it.
    joules_of
        The measured parts of the machine: ``cpu``, ``gpu``.
    """

    joules: float | None = None
    joules_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one run of a recipe, the mean over its seeds; null where a run has no value.

    Attributes
    ----------
    training_seconds, evaluation_seconds
        Duration of the training, and of the evaluation with the baselines.
    peak_memory_bytes
        Peak memory of the processes of the run.
    tokens
        Number of tokens trained on.
    parameters
        Number of parameters of the model.
    joules
        Energy of the training.
    joules_of
        The measured parts of the machine (``cpu``, ``gpu``); null if they differ between the runs.
    """

    training_seconds: float | None = None
    evaluation_seconds: float | None = None
    peak_memory_bytes: float | None = None
    tokens: float | None = None
    parameters: float | None = None
    joules: float | None = None
    joules_of: tuple[str, ...] | None = None
