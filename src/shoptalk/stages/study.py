"""The trials of a sweep, drawn by Optuna and kept in SQLite, so that a kill costs the running ones at most.

One process alone reads and writes the study; trials know nothing of it. A grid's configurations wait in the study from
the beginning, in order. What is drawn depends on the seed and on the trials before it, not on when it was interrupted.

T. Akiba et al., "Optuna", KDD 2019; TPE: J. Bergstra et al., "Algorithms for hyper-parameter optimization", NIPS 2011;
importance: F. Hutter et al., "An efficient approach for assessing hyperparameter importance" (fANOVA), ICML 2014.
"""

import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shoptalk.errors import RunError, require
from shoptalk.evaluation.metrics import larger_is_better
from shoptalk.recipe import Recipe
from shoptalk.results import TrialResult
from shoptalk.sweep_config import Point, Range

#: Trials that end before others may be stopped, and the epochs that each has.
STARTUP_TRIALS, STARTUP_EPOCHS = 4, 2
#: Finished trials without which nothing is said of importance.
TELLING = 4
#: Optuna's names of states, and ours.
STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}
#: Attribute of a trial that takes the place of one that died.
REPLACES = "replaces"


@dataclass(frozen=True, slots=True)
class Begun:
    """A trial that begins: its number, its settings, and the number of the one that died in whose place it is."""

    number: int
    point: Point
    replaces: int | None


class Study:
    """A sweep's trials: which come next, how they went, and which is best.

    Raises
    ------
    RunError
        When the file is damaged or of another sweep.
    """

    def __init__(self, recipe: Recipe, path: Path) -> None:
        require("optuna", "sweep")
        import optuna

        assert recipe.sweep is not None
        self._optuna, self._recipe, self._sweep = optuna, recipe, recipe.sweep
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        prune = optuna.pruners.MedianPruner(STARTUP_TRIALS, n_warmup_steps=STARTUP_EPOCHS)
        try:
            self._study = optuna.create_study(
                storage=optuna.storages.RDBStorage(f"sqlite:///{path.resolve()}"),
                study_name="sweep",
                direction="maximize" if larger_is_better(recipe.sweep.metric) else "minimize",
                pruner=prune if recipe.sweep.prune else optuna.pruners.NopPruner(),
                load_if_exists=True,
            )
        except Exception as error:  # SQLAlchemy's, SQLite's and Optuna's own
            raise RunError(f"the study cannot be opened: {_line(error)}", where=str(path)) from error
        self._choices = self._make_choices()
        self._running: dict[int, Any] = {}

    def queue(self) -> None:
        """Let a grid's configurations wait, and those of trials that died while they ran, each once more."""
        if self._sweep.method == "grid":
            for point in self._sweep.points():
                self._study.enqueue_trial(self._encoded(point), skip_if_exists=True)
        for trial in self._trials("RUNNING"):
            if trial.number not in self._replaced():
                self._study.enqueue_trial(trial.params, {REPLACES: trial.number})
            self._study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)

    def next(self) -> Begun | None:
        """A trial that begins now; None where none is left to begin."""
        drawn = len(self._study.get_trials(deepcopy=False)) - len(self._replaced())
        if not self._trials("WAITING") and (self._sweep.method == "grid" or drawn >= self._sweep.trials):
            return None
        seed = int(np.random.default_rng([self._recipe.seed, drawn]).integers(2**31))
        samplers = self._optuna.samplers
        self._study.sampler = (samplers.TPESampler if self._sweep.method == "tpe" else samplers.RandomSampler)(
            seed=seed
        )
        trial = self._study.ask(dict(self._distributions()))
        self._running[trial.number] = trial
        return Begun(trial.number, self._decoded(trial.params), trial.user_attrs.get(REPLACES))

    def report(self, number: int, epoch: int, watched: float) -> bool:
        """Note what an epoch's validation cases say, in the metric's direction; returns whether to stop the trial."""
        trial = self._running[number]
        trial.report(watched, epoch)
        return bool(trial.should_prune())

    def end(self, number: int, state: str, value: float | None, **notes: Any) -> None:
        """Note how a trial ended: ``complete`` with its value, ``pruned`` or ``failed``."""
        trial = self._running.pop(number)
        for name, note in notes.items():
            trial.set_user_attr(name, note)
        states = {shown: name for name, shown in STATES.items()}
        self._study.tell(trial, value, state=self._optuna.trial.TrialState[states[state]])

    def rows(self) -> list[TrialResult]:
        """Every trial that has begun."""
        replaced = self._replaced()
        return [
            TrialResult(
                number=trial.number,
                state="interrupted" if trial.number in replaced else STATES[trial.state.name],
                value=trial.value if trial.state.name == "COMPLETE" else None,
                settings=self._decoded(trial.params),
                seconds=trial.user_attrs.get("seconds"),
                says=trial.user_attrs.get("says", ""),
            )
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state.name != "WAITING"
        ]

    def best(self) -> TrialResult:
        """The trial with the best value, the first of equals.

        Raises
        ------
        RunError
            When no trial has a value.
        """
        rows = self.rows()
        sign = -1 if larger_is_better(self._sweep.metric) else 1
        able = [(sign * row.value, row.number, row) for row in rows if row.value is not None]
        if not able:
            says = next((row.says for row in rows if row.says), "none was begun")
            raise RunError(f"no trial was finished: {says}", hint="change the recipe, and begin in another folder")
        return min(able, key=lambda one: one[:2])[2]

    def importance(self) -> dict[str, float]:
        """Share of each setting in the variance of the values (fANOVA); empty where there is too little to tell."""
        done = self._trials("COMPLETE")
        if len(done) < TELLING or len({trial.value for trial in done}) < 2:
            return {}
        evaluator = self._optuna.importance.FanovaImportanceEvaluator(seed=self._recipe.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self._optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {key: float(share) for key, share in found.items() if math.isfinite(share)}

    def _trials(self, state: str) -> list[Any]:
        states = (self._optuna.trial.TrialState[state],)
        found: list[Any] = self._study.get_trials(deepcopy=False, states=states)
        return found

    def _replaced(self) -> set[int]:
        """Numbers of the trials that died while they ran, and have another in their place."""
        attributes = (trial.user_attrs for trial in self._study.get_trials(deepcopy=False))
        return {one[REPLACES] for one in attributes if REPLACES in one}

    def _make_choices(self) -> dict[str, list[Any]]:
        """The listed values of each setting that has no range; a configuration that leaves one out has the recipe's."""
        sweep = self._sweep
        if not sweep.configurations:
            return {key: list(values) for key, values in sweep.space.items() if not isinstance(values, Range)}
        points = [self._complete(point) for point in sweep.configurations]
        return {key: _distinct([point[key] for point in points]) for key in sweep.keys}

    def _complete(self, point: Point) -> Point:
        content = self._recipe.model_dump()
        own = {key: content[section][name] for key in self._sweep.keys for section, name in [key.split(".")]}
        return {**own, **point}

    def _distributions(self) -> Mapping[str, Any]:
        made: dict[str, Any] = {}
        of = self._optuna.distributions
        for key in self._sweep.keys:
            one = self._sweep.space.get(key)
            if isinstance(one, Range):
                made[key] = (of.IntDistribution if one.whole else of.FloatDistribution)(one.low, one.high, log=one.log)
            else:
                made[key] = of.CategoricalDistribution([_label(value) for value in self._choices[key]])
        return made

    def _encoded(self, point: Point) -> Point:
        return {key: _label(value) for key, value in self._complete(point).items()}

    def _decoded(self, params: Point) -> Point:
        """Settings as the recipe wants them, in the order in which it names them."""
        listed = {key: {_label(value): value for value in values} for key, values in self._choices.items()}
        return {key: listed[key][params[key]] if key in listed else params[key]
                for key in self._sweep.keys if key in params}  # fmt: skip


def _label(value: Any) -> str:
    """A listed value as text, which is all that a study can keep of a list of texts."""
    return json.dumps(value)


def _distinct(values: list[Any]) -> list[Any]:
    return list({_label(value): value for value in values}.values())


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
