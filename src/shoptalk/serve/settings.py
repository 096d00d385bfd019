"""Settings of the service, as the command line gives them, and how worker processes get them."""

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from shoptalk.errors import UsageError

#: Environment variable with the settings, from the process of the command to its workers.
VARIABLE = "SHOPTALK_SERVE"


#: Methods of exploration.
EXPLORATIONS = ("epsilon", "plackett_luce", "thompson")


@dataclass(frozen=True, slots=True)
class Exploration:
    """How lists are explored.

    Attributes
    ----------
    method
        ``epsilon``, ``plackett_luce`` or ``thompson``, see `shoptalk.online.exploration`.
    places
        How many of the last places are drawn; of shorter lists, at most half.
    share
        epsilon: share of the lists whose end is random.
    temperature
        plackett_luce: in units of the scores; larger is more random.
    """

    method: str
    places: int = 3
    share: float = 0.1
    temperature: float = 1.0

    def __post_init__(self) -> None:
        """Refuse an unknown method.

        Raises
        ------
        UsageError
            Naming those that there are.
        """
        if self.method not in EXPLORATIONS:
            raise UsageError(f"unknown exploration {self.method!r}", hint=f"one of {', '.join(EXPLORATIONS)}")


@dataclass(frozen=True, slots=True)
class ArmSettings:
    """One of the runs that are served.

    Attributes
    ----------
    folder
        Folder of the run.
    method
        A baseline that answers instead of the run's model; None for the model.
    weight
        Share of the users, relative to the other arms.
    """

    folder: str
    method: str | None = None
    weight: float = 1.0

    @property
    def name(self) -> str:
        """How answers and logs name it: the folder, with the method if it is not the model."""
        name = Path(self.folder).resolve().name
        return name if self.method is None else f"{name}@{self.method}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for.

    Attributes
    ----------
    body
        Bytes of a request.
    depth
        Levels of nesting of a body.
    k, offset, history, list_entries, requests, events, items
        Most recommendations, the largest offset, most items of a history, most entries of a filter, and most entries
        of a batch of requests, events or products.
    body_seconds, header_seconds
        Time for a client to send a body, and the head of a request.
    """

    body: int = 1_048_576
    depth: int = 12
    k: int = 100
    offset: int = 1_000
    history: int = 500
    list_entries: int = 2_000
    requests: int = 100
    events: int = 1_000
    items: int = 500
    body_seconds: float = 10.0
    header_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the service.

    Attributes
    ----------
    arms
        The runs; the first is the control of the experiment.
    database
        Path of an SQLite file, or URL.
    experiment
        Name of the experiment, and salt of the assignment of users to arms.
    rules
        TOML file of business rules.
    host, port, workers
        Where it listens, and with how many processes.
    open_access
        Whether requests need no key. None: they need one if the database holds any, or if the host is not local.
    history_kinds
        Kinds of events that are part of a user's history.
    batch_size, batch_milliseconds, queue
        Most requests of a batch, how long a batch waits for more while requests are waiting, and most waiting requests.
    timeout
        Seconds until a request is answered by popularity, or refused.
    poll_seconds
        How often run folders, rules and the catalogue are looked at.
    rate_per_minute
        Most requests of a key in a minute, where the key has no rate of its own; None for no limit.
    exploration
        Exploration of lists; None for none.
    cache
        Folder for the copies of weights that the workers map.
    """

    arms: tuple[ArmSettings, ...]
    database: str = "shoptalk.db"
    experiment: str = "default"
    rules: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    open_access: bool | None = None
    history_kinds: tuple[str, ...] = ("click", "basket", "purchase")
    batch_size: int = 32
    batch_milliseconds: float = 2.0
    queue: int = 256
    timeout: float = 2.0
    poll_seconds: float = 0.5
    rate_per_minute: int | None = None
    exploration: Exploration | None = None
    cache: str | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        if not names:
            raise UsageError("no run is given")
        if len(set(names)) < len(names):
            raise UsageError("two runs have the same name", hint="rename a folder, or give them different methods")
        if not any(arm.weight > 0 for arm in self.arms) or any(arm.weight < 0 for arm in self.arms):
            raise UsageError("weights must be at least 0, and one of them above 0")

    @property
    def local(self) -> bool:
        """Whether only programs of this machine can connect."""
        return self.host in {"127.0.0.1", "::1", "localhost"}

    def to_environment(self) -> None:
        """Hand the settings to the worker processes that are started from now on."""
        os.environ[VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def from_environment(cls) -> Self:
        """The settings that `to_environment` handed over."""
        values = json.loads(os.environ[VARIABLE])
        values["arms"] = tuple(ArmSettings(**arm) for arm in values["arms"])
        values["history_kinds"] = tuple(values["history_kinds"])
        values["exploration"] = None if values["exploration"] is None else Exploration(**values["exploration"])
        values["limits"] = Limits(**values["limits"])
        return cls(**values)

    def changed(self, **values: Any) -> Self:
        """The settings with some values changed."""
        return replace(self, **values)


def parse_arms(runs: list[str], weights: str | None, method: str | None) -> tuple[ArmSettings, ...]:
    """The arms of a command line: ``FOLDER`` or ``FOLDER@METHOD`` each, weights such as ``9,1``.

    Raises
    ------
    UsageError
        For weights that are no numbers, or another number of them.
    """
    try:
        shares = [1.0] * len(runs) if weights is None else [float(part) for part in weights.split(",")]
    except ValueError as error:
        raise UsageError(f"the weights {weights!r} are no numbers", hint="for example: --weights 9,1") from error
    if len(shares) != len(runs):
        raise UsageError(f"{len(shares)} weights for {len(runs)} runs", hint="give one weight for each run")
    arms = []
    for run, share in zip(runs, shares, strict=True):
        folder, separator, named = run.rpartition("@")
        if not separator or Path(run).is_dir():
            folder, named = run, ""
        arms.append(ArmSettings(folder, named or method, share))
    return tuple(arms)
