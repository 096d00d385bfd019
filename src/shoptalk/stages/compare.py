"""Compares evaluated runs on the same test users; runs that differ only in their seed form one group."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shoptalk.arrow import read_parquet
from shoptalk.constants import DEFAULT_K, SIGNIFICANCE
from shoptalk.errors import RunError, UsageError
from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.catalogue import find, means
from shoptalk.evaluation.comparison import compare_pairs, seeds_p
from shoptalk.evaluation.id_map import IdMap
from shoptalk.evaluation.metrics import compared_names
from shoptalk.evaluation.options import correctness
from shoptalk.evaluation.verdict import OPTION_METRIC
from shoptalk.recipe import Recipe
from shoptalk.report.comparison import verdict
from shoptalk.results import ComparedRecipe, Comparison, ComparisonResult, Cost, SeededEstimate, read_evaluation
from shoptalk.runs import Run, open_run


@dataclass(frozen=True, slots=True)
class EvaluatedRun:
    """A run with its N test users and, for each metric, their (N,) values."""

    run: Run
    users: list[str]
    values: dict[str, Floats]

    @property
    def name(self) -> str:
        """The folder as it was given."""
        return str(self.run.folder)


@dataclass(frozen=True, slots=True)
class Group:
    """Runs of one recipe with different seeds; ``settings`` are those in which the groups differ."""

    name: str
    runs: list[EvaluatedRun]
    settings: Mapping[str, Any]

    def values(self, metric: str) -> Floats:
        """(N,) value of each user, averaged over the seeds."""
        return np.asarray(np.mean([run.values[metric] for run in self.runs], axis=0))

    def by_seed(self, metric: str) -> list[float]:
        """Mean over the users for each run."""
        return [float(np.nanmean(run.values[metric])) for run in self.runs]


def compare(folders: Sequence[Path], *, seed: int = 1) -> ComparisonResult:
    """Compare every pair of recipes on the test users, which must be the same in all runs.

    Parameters
    ----------
    folders
        Folders of at least two runs, trained and evaluated on one dataset.
    seed
        Seed of the bootstrap and of the randomisation test.

    Raises
    ------
    ShoptalkError
        If a run cannot be compared with the others; the error names the run and the reason.
    """
    runs = _open_runs(folders)
    metrics, warnings = _shared_metrics(runs)
    groups = _group_by_recipe(runs)
    comparisons = compare_pairs(
        {group.name: {metric: group.values(metric) for metric in metrics} for group in groups}, seed=seed
    )
    result = ComparisonResult(
        fingerprint=runs[0].run.info["fingerprint"],
        users=len(runs[0].users),
        seed=seed,
        metrics=tuple(metrics),
        groups=tuple(_compared_recipe(group, metrics, seed) for group in groups),
        comparisons=tuple(comparisons),
        warnings=(*warnings, *_machine_warnings(runs), *_seed_warnings(groups, comparisons)),
    )
    return replace(result, verdict=verdict(result))


def _open_runs(folders: Sequence[Path]) -> list[EvaluatedRun]:
    """Open the runs and check that they have the same dataset and the same test users."""
    if len(folders) < 2:
        raise UsageError("one run cannot be compared", hint="give two or more: shoptalk compare RUN RUN")
    resolved: set[Path] = set()
    for folder in folders:
        if folder.resolve() in resolved:
            raise UsageError("this run is given twice", where=str(folder), hint="name each run once")
        resolved.add(folder.resolve())
    opened = [open_run(folder) for folder in folders]
    for run in opened:
        _check_same_data(opened[0], run)
    runs = [_read_run(run) for run in opened]
    first = runs[0]
    for evaluated in runs:
        if evaluated.users != first.users:
            different = len(set(evaluated.users) ^ set(first.users))
            raise RunError(
                f"evaluated on other test users than {first.name} ({different:,} are not in both)",
                where=evaluated.name,
                hint=f"evaluate both again: shoptalk evaluate {evaluated.name}, shoptalk evaluate {first.name}",
            )
    return runs


def _check_same_data(first: Run, run: Run) -> None:
    """Raise if the datasets of two runs differ, and name the sections of the recipes that differ."""
    fingerprint, first_fingerprint = run.info["fingerprint"], first.info["fingerprint"]
    if fingerprint == first_fingerprint:
        return
    sections = [name for name in ("split", "candidates") if getattr(run.recipe, name) != getattr(first.recipe, name)]
    sections += ["data"] if run.recipe.data != first.recipe.data else []
    reason = f": they differ in {' and '.join(f'[{name}]' for name in sections)}" if sections else ""
    raise RunError(
        f"not trained on the dataset of {first.folder}{reason} "
        f"(fingerprints {fingerprint[:12]} and {first_fingerprint[:12]})",
        where=str(run.folder),
        hint="metrics on different datasets cannot be compared; train both with the same shoptalk train --data DATASET",
    )


def _read_run(run: Run) -> EvaluatedRun:
    """Read the predictions of a run and compute the metrics of each user."""
    where = str(run.folder)
    if not run.info.get("trained"):
        raise RunError("training has not ended", where=where, hint="continue with shoptalk train --resume")
    path = run.folder / "predictions.parquet"
    if not path.is_file():
        raise RunError(
            "it has no predictions to compare",
            where=where,
            hint=f"run: shoptalk evaluate {where}; a run that predicts only ratings has none",
        )
    try:
        users, values = _user_metrics(path)
        if not users or None in users:
            raise ValueError("test users without an id, or no test users")
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        message = " ".join(str(error).split())[:200]
        raise RunError(
            f"damaged: {message}", where=str(path), hint=f"make it again: shoptalk evaluate {where}"
        ) from error
    return EvaluatedRun(run, users, values)


def read_user_metrics(folder: Path) -> tuple[list[str], dict[str, Floats]]:
    """The N users of the predictions in a run's folder, and (N,) values of each metric."""
    return _user_metrics(folder / "predictions.parquet")


def _user_metrics(path: Path) -> tuple[list[str], dict[str, Floats]]:
    """The N users of ``predictions.parquet``, and (N,) values of each metric that its columns allow."""
    names = set(pq.read_schema(path).names)
    table = read_parquet(path, columns=[name for name in _COMPARED if name in names])
    columns = {name: table[name].to_pylist() for name in table.column_names}
    return columns["user_id"], user_metrics(columns)


#: Columns of ``predictions.parquet`` from which metrics are computed.
_COMPARED = ("user_id", "answer", "scores", "option_scores", "truth", "ranked")


def user_metrics(columns: Mapping[str, Sequence[Any]]) -> dict[str, Floats]:
    """(N,) values of each metric that the columns of predictions allow."""
    scores = "option_scores" if "option_scores" in columns else "scores"
    values: dict[str, Floats] = {}
    if "ranked" in columns:
        codes = IdMap()
        hits = find(codes.table(columns["ranked"], DEFAULT_K), codes.pairs(columns["truth"]))
        values |= hits.metrics(DEFAULT_K, compared_names(DEFAULT_K))
    if "answer" in columns:
        values[OPTION_METRIC] = correctness([np.asarray(row, np.float64) for row in columns[scores]], columns["answer"])
    return values


def _shared_metrics(runs: Sequence[EvaluatedRun]) -> tuple[list[str], list[str]]:
    """The metrics that all runs have, the deciding one first, and a warning for each metric that only some have."""
    metrics = (*compared_names(DEFAULT_K), OPTION_METRIC)
    shared = [metric for metric in metrics if all(metric in run.values for run in runs)]
    if not shared:
        fewest = min(runs, key=lambda run: len(run.values))
        disjoint = next(run for run in runs if not run.values.keys() & fewest.values.keys())
        raise RunError(
            f"it has {_join_names(fewest.values)}, {disjoint.name} has {_join_names(disjoint.values)}: "
            "no metric in common to compare",
            where=fewest.name,
            hint="compare runs of one task; with item tokens and a [candidates] section a run has both",
        )
    partial = dict.fromkeys(metric for run in runs for metric in run.values if metric not in shared)
    lacking = {metric: [run.name for run in runs if metric not in run.values] for metric in partial}
    return shared, [
        f"{metric} is not compared: {', '.join(names)} {'has' if len(names) == 1 else 'have'} none"
        for metric, names in lacking.items()
    ]


def _join_names(metrics: Iterable[str]) -> str:
    """The metrics, separated by commas."""
    return ", ".join(metrics) or "no metric"


def _group_by_recipe(runs: Sequence[EvaluatedRun]) -> list[Group]:
    """Group the runs whose recipes are equal and whose seeds differ; runs with equal seeds are groups of one run."""
    runs_by_settings: dict[str, list[EvaluatedRun]] = {}
    for run in runs:
        runs_by_settings.setdefault(json.dumps(_settings(run.run.recipe)), []).append(run)
    groups: list[list[EvaluatedRun]] = []
    for equal in runs_by_settings.values():
        seeds = {run.run.recipe.seed for run in equal}
        groups += [equal] if len(seeds) == len(equal) else [[run] for run in equal]
    all_settings = [_settings(group[0].run.recipe) for group in groups]
    keys = dict.fromkeys(key for settings in all_settings for key in settings)
    different = [key for key in keys if len({json.dumps(settings.get(key)) for settings in all_settings}) > 1]
    settings = [{key: values.get(key) for key in different} for values in all_settings]
    return [Group(*parts) for parts in zip(_group_names(groups, settings), groups, settings, strict=True)]


def _settings(recipe: Recipe) -> Mapping[str, Any]:
    """All settings, as ``section.key``, that change the model or its scores; without the data, which are the same."""
    content = recipe.model_dump(mode="json", exclude={"name", "seed", "data"})
    content["evaluation"] = {"scoring": recipe.evaluation.scoring}
    return {f"{name}.{key}": value for name, section in content.items() for key, value in (section or {}).items()}


def _group_names(groups: Sequence[Sequence[EvaluatedRun]], settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """A unique name for each group.

    The names of the recipes, else up to two settings in which the groups differ, else the names of the folders, else
    their paths: the first of these in which all groups have different names.
    """
    recipes = [group[0].run.recipe.name for group in groups]
    values = [", ".join(f"{key.partition('.')[2]}={value}" for key, value in group.items()) for group in settings]
    folders = [group[0].run.folder for group in groups]
    for names in (recipes, values if len(settings[0]) <= 2 else [], [folder.name for folder in folders]):
        if all(names) and len(set(names)) == len(groups):
            return names
    return [str(folder) for folder in folders]


def _compared_recipe(group: Group, metrics: Sequence[str], seed: int) -> ComparedRecipe:
    """The metrics with their intervals, the spread over seeds, and the cost of a group."""
    estimates = means({metric: group.values(metric) for metric in metrics}, seed=seed)
    by_seed = {metric: group.by_seed(metric) for metric in metrics}
    return ComparedRecipe(
        name=group.name,
        runs=tuple(run.name for run in group.runs),
        seeds=tuple(run.run.recipe.seed for run in group.runs),
        settings=group.settings,
        metrics={
            metric: SeededEstimate(
                value=estimate.value,
                low=estimate.low,
                high=estimate.high,
                n=estimate.n,
                spread=float(np.std(by_seed[metric], ddof=1)) if len(group.runs) > 1 else None,
                by_seed=tuple(by_seed[metric]),
            )
            for metric, estimate in estimates.items()
        },
        cost=_mean_cost(group.runs),
    )


def _mean_cost(runs: Sequence[EvaluatedRun]) -> Cost:
    """Means over the runs; None for a cost that is unknown for one of them."""
    costs = [_run_cost(run.run) for run in runs]

    def mean(name: str) -> float | None:
        """Mean of one field."""
        values = [getattr(cost, name) for cost in costs]
        return None if None in values else float(np.mean(values))

    measured_parts = {cost.joules_of for cost in costs}
    mean_costs = {field.name: mean(field.name) for field in fields(Cost) if field.name != "joules_of"}
    return Cost(**mean_costs, joules_of=costs[0].joules_of if len(measured_parts) == 1 else None)


def _run_cost(run: Run) -> Cost:
    """The cost of training and evaluating a run; None for what is unknown or not finite."""
    evaluation = read_evaluation(run.folder)
    seconds = evaluation.seconds if evaluation is not None else {}
    try:
        training = run.info["training"]
        measured = {
            "training_seconds": training.get("seconds"),
            "evaluation_seconds": sum(seconds.get(stage) or 0 for stage in ("rankings", "options", "titles")) or None,
            "peak_memory_bytes": run.info.get("peak_memory_bytes"),
            **{name: training.get(name) for name in ("tokens", "parameters", "joules")},
        }
        numbers = {name: None if value is None else float(value) for name, value in measured.items()}
        finite = {
            name: value if value is not None and math.isfinite(value) else None for name, value in numbers.items()
        }
        return Cost(**finite, joules_of=tuple(str(part) for part in training.get("joules_of") or ()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = " ".join(str(error).split())[:200]
        raise RunError(
            f"its run.json is damaged: {message}", where=str(run.folder), hint="train it again: shoptalk train"
        ) from error


def _machine_warnings(runs: Sequence[EvaluatedRun]) -> list[str]:
    """A warning if the runs were made on different machines."""
    machines = {json.dumps(run.run.info.get("machine"), sort_keys=True) for run in runs}
    warning = "the runs were made on different machines: their times and joules cannot be compared"
    return [warning] if len(machines) > 1 else []


def _seed_warnings(groups: Sequence[Group], comparisons: Sequence[Comparison]) -> list[str]:
    """Warnings about recipes with one seed, and about differences that may be due to the choice of seeds."""
    single = [group.name for group in groups if len(group.runs) == 1]
    warnings = []
    if len(groups) > 1 and single:
        recipes = "each recipe" if len(single) == len(groups) else ", ".join(single)
        warnings.append(f"trained with one seed: {recipes}; the effect of another seed is not known (see --seed)")
    groups_by_name = {group.name: group for group in groups}
    for comparison in comparisons:
        metric = comparison.metric
        first, second = groups_by_name[comparison.one], groups_by_name[comparison.other]
        p = seeds_p(first.by_seed(metric), second.by_seed(metric))
        if comparison.p_holm < SIGNIFICANCE <= p:
            warnings.append(
                f"{metric} of {first.name} and {second.name} differs significantly over these users, but not over "
                f"seeds (Welch's t test: p = {p:.3f}); train with more seeds"
            )
    return warnings
