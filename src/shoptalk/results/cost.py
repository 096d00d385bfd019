"""What a run cost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Energy:
    """What a stage took in energy.

    Attributes
    ----------
    joules
        Energy; null where the machine does not tell.
    joules_of
        The parts that it was measured of: ``cpu``, ``gpu``.
    """

    joules: float | None = None
    joules_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a recipe cost, the mean over its seeds; null where a run does not tell.

    Attributes
    ----------
    training_seconds, evaluation_seconds
        Of training, and of judging with the baselines.
    peak_memory_bytes
        Most memory that a process of the run held.
    tokens
        Tokens trained on.
    parameters
        Of the model.
    joules
        Energy of training.
    joules_of
        The parts of the machine that it was measured of (``cpu``, ``gpu``); null where that differs from run to run.
    """

    training_seconds: float | None = None
    evaluation_seconds: float | None = None
    peak_memory_bytes: float | None = None
    tokens: float | None = None
    parameters: float | None = None
    joules: float | None = None
    joules_of: tuple[str, ...] | None = None
