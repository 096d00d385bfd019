"""Simple methods beside a run, for the page: learned from the run's dataset when somebody first asks for them."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from shoptalk.baselines import make_baseline
from shoptalk.errors import ShoptalkError
from shoptalk.evaluation.verdict import main_result
from shoptalk.registry import BASELINES
from shoptalk.results.storage import read_evaluation
from shoptalk.serve.arms import Arm
from shoptalk.serve.engine import Engine
from shoptalk.serve.settings import ArmSettings
from shoptalk.serve.state import State, with_arm
from shoptalk.stages.load_dataset import run_split
from shoptalk.stages.trained_run import TrainedRun

LOG = logging.getLogger("shoptalk.serve")
#: Methods that are counted within seconds, in the order of the page.
METHODS = ("popularity", "recent_popularity", "item_knn", "text_knn", "transitions")


@dataclass(frozen=True, slots=True)
class Measured:
    """What evaluating the run has measured.

    Attributes
    ----------
    metric
        Its main metric; None if the run was not evaluated.
    model
        The value of the run.
    methods
        The values of simple methods.
    """

    metric: str | None
    model: float | None
    methods: Mapping[str, float]

    @property
    def best(self) -> str:
        """The best of `METHODS`; popularity if none was measured."""
        known = [name for name in METHODS if name in self.methods]
        return max(known, key=lambda name: self.methods[name], default="popularity")


def measured(arm: Arm) -> Measured:
    """What ``metrics.json`` says of a run and of its baselines."""
    try:
        result = read_evaluation(Path(arm.settings.folder))
    except ShoptalkError:
        result = None
    main = None if result is None else main_result(result)
    if result is None or main is None or not main.model.known:
        return Measured(None, None, {})
    values = {name: metrics[main.metric].value for name, metrics in result.baselines.items() if main.metric in metrics}
    return Measured(main.metric, main.model.value, values)


class SimpleMethods:
    """Learns simple methods in the background, one at a time, and keeps them until the run is replaced."""

    def __init__(self) -> None:
        self._arms: dict[tuple[str, str | None], Arm | ShoptalkError | None] = {}
        self._lock = Lock()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="simple")

    def names(self) -> Sequence[str]:
        """The methods that can be asked for."""
        return [name for name in METHODS if name in BASELINES]

    def state(self, state: State, name: str) -> State | None:
        """The state with a simple method as its only arm; None while it is being learned.

        Raises
        ------
        ShoptalkError
            If it cannot be learned from this dataset.
        """
        first = state.arms[0].base or state.arms[0]
        key = (name, first.signature)
        with self._lock:
            if key not in self._arms:
                self._arms = {known: arm for known, arm in self._arms.items() if known[1] == first.signature}
                self._arms[key] = None
                self._executor.submit(self._learn, key, first)
            arm = self._arms[key]
        if isinstance(arm, ShoptalkError):
            raise arm
        return None if arm is None else with_arm(state, arm)

    def engine(self, engine: Engine, name: str) -> Engine | None:
        """An engine that answers by a simple method; None while it is being learned; errors as in `state`."""
        state = self.state(engine.state, name)
        return None if state is None else Engine(state, engine.database, engine.history_kinds)

    def close(self) -> None:
        """Learn nothing more."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _learn(self, key: tuple[str, str | None], first: Arm) -> None:
        try:
            found: Arm | ShoptalkError = learn_method(first, key[0])
        except ShoptalkError as error:
            found = error
        except Exception as error:
            LOG.exception("a simple method could not be learned", extra={"fields": {"method": key[0]}})
            found = ShoptalkError(f"{key[0]} cannot be learned here: unexpected {type(error).__name__}")
        with self._lock:
            self._arms[key] = found


def learn_method(arm: Arm, name: str) -> Arm:
    """A simple method learned from what a run was trained on, as an arm.

    Raises
    ------
    ShoptalkError
        If the dataset lacks what it learns from.
    """
    run, dataset = arm.trained.run, arm.dataset
    recommender = make_baseline(name, run_split(run, dataset), dataset.catalogue, run.recipe.seed)
    settings = ArmSettings(arm.settings.folder, name)
    return Arm(settings, arm.signature, TrainedRun(run, dataset, recommender), recommender, name)
