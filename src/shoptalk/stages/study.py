"""The trials of a sweep, proposed by Optuna and stored in SQLite, so that a killed sweep loses only running trials.

Only the process of the sweep reads and writes the study. The configurations of a grid are queued at the start, in
order. A proposed configuration depends on the seed and on the trials before it, not on interruptions.

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

#: No trial is pruned before this many trials have ended, nor in its first epochs.
STARTUP_TRIALS, STARTUP_EPOCHS = 4, 2
#: Least number of finished trials from which the importance of settings is estimated.
IMPORTANCE_TRIALS = 4
#: States of a trial by Optuna's names.
STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}
#: Attribute of a trial that repeats an interrupted one: the number of that one.
REPLACES = "replaces"


@dataclass(frozen=True, slots=True)
class StartedTrial:
    """A trial that starts: its number, its settings, and the number of the interrupted trial that it repeats."""

    number: int
    point: Point
    replaces: int | None


class Study:
    """The trials of a sweep: proposes the next one, records the results, and names the best.

    Parameters
    ----------
    recipe
        A recipe with a section ``[sweep]``.
    path
        SQLite file; it is created if it does not exist.

    Raises
    ------
    RunError
        If the file is damaged or belongs to another sweep.
    """

    def __init__(self, recipe: Recipe, path: Path) -> None:
        require("optuna", "sweep")
        import optuna

        assert recipe.sweep is not None
        self._optuna, self._recipe, self._sweep = optuna, recipe, recipe.sweep
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        median_pruner = optuna.pruners.MedianPruner(STARTUP_TRIALS, n_warmup_steps=STARTUP_EPOCHS)
        try:
            self._study = optuna.create_study(
                storage=optuna.storages.RDBStorage(f"sqlite:///{path.resolve()}"),
                study_name="sweep",
                direction="maximize" if larger_is_better(recipe.sweep.metric) else "minimize",
                pruner=median_pruner if recipe.sweep.prune else optuna.pruners.NopPruner(),
                load_if_exists=True,
            )
        except Exception as error:  # of SQLAlchemy, SQLite or Optuna
            raise RunError(f"the study cannot be opened: {_one_line(error)}", where=str(path)) from error
        self._choices = self._make_choices()
        self._running: dict[int, Any] = {}

    def queue(self) -> None:
        """Queue the configurations of a grid, and those of interrupted trials once more."""
        if self._sweep.method == "grid":
            for point in self._sweep.points():
                self._study.enqueue_trial(self._encoded(point), skip_if_exists=True)
        for trial in self._trials("RUNNING"):
            if trial.number not in self._replaced():
                self._study.enqueue_trial(trial.params, {REPLACES: trial.number})
            self._study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)

    def next(self) -> StartedTrial | None:
        """Start the next trial; None if all have been started."""
        started = len(self._study.get_trials(deepcopy=False)) - len(self._replaced())
        if not self._trials("WAITING") and (self._sweep.method == "grid" or started >= self._sweep.trials):
            return None
        seed = int(np.random.default_rng([self._recipe.seed, started]).integers(2**31))
        samplers = self._optuna.samplers
        sampler = samplers.TPESampler if self._sweep.method == "tpe" else samplers.RandomSampler
        self._study.sampler = sampler(seed=seed)
        trial = self._study.ask(dict(self._distributions()))
        self._running[trial.number] = trial
        return StartedTrial(trial.number, self._decoded(trial.params), trial.user_attrs.get(REPLACES))

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Record the validation metric of an epoch, and return whether to stop the trial."""
        trial = self._running[number]
        trial.report(value, epoch)
        return bool(trial.should_prune())

    def end(self, number: int, state: str, value: float | None, **attributes: Any) -> None:
        """Record how a trial ended: ``complete`` with its value, ``pruned`` or ``failed``; and further attributes."""
        trial = self._running.pop(number)
        for name, attribute in attributes.items():
            trial.set_user_attr(name, attribute)
        optuna_names = {state: name for name, state in STATES.items()}
        self._study.tell(trial, value, state=self._optuna.trial.TrialState[optuna_names[state]])

    def rows(self) -> list[TrialResult]:
        """All trials that have been started."""
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
        """The trial with the best value; of several, the first.

        Raises
        ------
        RunError
            If no trial has a value.
        """
        rows = self.rows()
        sign = -1 if larger_is_better(self._sweep.metric) else 1
        finished = [row for row in rows if row.value is not None]
        if not finished:
            reason = next((row.says for row in rows if row.says), "none was started")
            raise RunError(f"no trial was finished: {reason}", hint="change the recipe, and start in another folder")
        return min(finished, key=lambda row: (sign * (row.value or 0), row.number))

    def importance(self) -> dict[str, float]:
        """Share of each setting in the variance of the values (fANOVA); empty for too few trials or equal values."""
        finished = self._trials("COMPLETE")
        if len(finished) < IMPORTANCE_TRIALS or len({trial.value for trial in finished}) < 2:
            return {}
        evaluator = self._optuna.importance.FanovaImportanceEvaluator(seed=self._recipe.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shares = self._optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {key: float(share) for key, share in shares.items() if math.isfinite(share)}

    def _trials(self, state: str) -> list[Any]:
        """The trials in one of Optuna's states."""
        states = (self._optuna.trial.TrialState[state],)
        trials: list[Any] = self._study.get_trials(deepcopy=False, states=states)
        return trials

    def _replaced(self) -> set[int]:
        """Numbers of the interrupted trials that are repeated by another."""
        all_attributes = (trial.user_attrs for trial in self._study.get_trials(deepcopy=False))
        return {attributes[REPLACES] for attributes in all_attributes if REPLACES in attributes}

    def _make_choices(self) -> dict[str, list[Any]]:
        """The values of each setting that has no range; where a configuration omits a setting, that of the recipe."""
        sweep = self._sweep
        if not sweep.configurations:
            return {key: list(values) for key, values in sweep.space.items() if not isinstance(values, Range)}
        points = [self._complete(point) for point in sweep.configurations]
        return {key: _distinct([point[key] for point in points]) for key in sweep.keys}

    def _complete(self, point: Point) -> Point:
        """All swept settings of a configuration, with the recipe's values for those that it omits."""
        sections = self._recipe.model_dump()
        defaults = {key: sections[section][name] for key in self._sweep.keys for section, name in [key.split(".")]}
        return {**defaults, **point}

    def _distributions(self) -> Mapping[str, Any]:
        """Optuna's distribution of each setting."""
        by_key: dict[str, Any] = {}
        distributions = self._optuna.distributions
        for key in self._sweep.keys:
            values = self._sweep.space.get(key)
            if isinstance(values, Range):
                distribution = distributions.IntDistribution if values.whole else distributions.FloatDistribution
                by_key[key] = distribution(values.low, values.high, log=values.log)
            else:
                by_key[key] = distributions.CategoricalDistribution([_label(value) for value in self._choices[key]])
        return by_key

    def _encoded(self, point: Point) -> Point:
        """A configuration as Optuna stores it."""
        return {key: _label(value) for key, value in self._complete(point).items()}

    def _decoded(self, params: Point) -> Point:
        """Stored settings as values of the recipe, in the order of the section."""
        values_by_label = {key: {_label(value): value for value in values} for key, values in self._choices.items()}
        return {
            key: values_by_label[key][params[key]] if key in values_by_label else params[key]
            for key in self._sweep.keys
            if key in params
        }


def _label(value: Any) -> str:
    """A value as JSON text, because Optuna cannot store lists as choices."""
    return json.dumps(value)


def _distinct(values: list[Any]) -> list[Any]:
    """The different values, in order."""
    return list({_label(value): value for value in values}.values())


def _one_line(error: Exception) -> str:
    """The message of an error in one line of at most 200 characters."""
    return " ".join(str(error).split())[:200]
