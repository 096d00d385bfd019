"""Comparing: trained and judged runs on the same test users, the seeds of one recipe taken together."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

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
class Judged:
    """A run and what it got right: N test users and, by each metric, their (N,) values."""

    run: Run
    users: list[str]
    values: dict[str, Floats]

    @property
    def name(self) -> str:
        """The folder as it was given."""
        return str(self.run.folder)


@dataclass(frozen=True, slots=True)
class Group:
    """Runs of one recipe, each with a seed of its own; ``settings`` are those that other groups have otherwise."""

    name: str
    runs: list[Judged]
    settings: Mapping[str, Any]

    def values(self, metric: str) -> Floats:
        """(N,) mean over the seeds."""
        return np.asarray(np.mean([one.values[metric] for one in self.runs], axis=0))

    def by_seed(self, metric: str) -> list[float]:
        """The metric of each run."""
        return [float(np.nanmean(one.values[metric])) for one in self.runs]


def compare(folders: Sequence[Path], *, seed: int = 1) -> ComparisonResult:
    """Compare every recipe with every other on the test users that all runs share.

    Parameters
    ----------
    folders
        At least two runs, trained and evaluated on one dataset.
    seed
        Of the resamples and flips.

    Raises
    ------
    ShoptalkError
        Naming the run that cannot be compared with the others, and why.
    """
    runs = _open(folders)
    metrics, warnings = _shared(runs)
    groups = _grouped(runs)
    found = compare_pairs(
        {group.name: {metric: group.values(metric) for metric in metrics} for group in groups}, seed=seed
    )
    result = ComparisonResult(
        fingerprint=runs[0].run.info["fingerprint"],
        users=len(runs[0].users),
        seed=seed,
        metrics=tuple(metrics),
        groups=tuple(_described(group, metrics, seed) for group in groups),
        comparisons=tuple(found),
        warnings=(*warnings, *_machines(runs), *_seeds(groups, found)),
    )
    return replace(result, verdict=verdict(result))


def _open(folders: Sequence[Path]) -> list[Judged]:
    """The runs, which must be of one dataset and have the same test users."""
    if len(folders) < 2:
        raise UsageError("one run cannot be compared", hint="give two or more: shoptalk compare RUN RUN")
    known: dict[Path, Path] = {}
    for folder in folders:
        if folder.resolve() in known:
            raise UsageError("this run is given twice", where=str(folder), hint="name each run once")
        known[folder.resolve()] = folder
    runs = [open_run(folder) for folder in folders]
    for run in runs:
        _check_same_data(runs[0], run)
    judged = [_judged(run) for run in runs]
    for one in judged:
        if one.users != judged[0].users:
            apart = len(set(one.users) ^ set(judged[0].users))
            raise RunError(
                f"judged on other test users than {judged[0].name} ({apart:,} are not in both)", where=one.name,
                hint=f"judge both again: shoptalk evaluate {one.name}, shoptalk evaluate {judged[0].name}",
            )  # fmt: skip
    return judged


def _check_same_data(first: Run, run: Run) -> None:
    mine, theirs = run.info["fingerprint"], first.info["fingerprint"]
    if mine == theirs:
        return
    parts = [name for name in ("split", "candidates") if getattr(run.recipe, name) != getattr(first.recipe, name)]
    parts += ["data"] if run.recipe.data != first.recipe.data else []
    why = f": they differ in {' and '.join(f'[{name}]' for name in parts)}" if parts else ""
    raise RunError(
        f"not made on the dataset of {first.folder}{why} (fingerprints {mine[:12]} and {theirs[:12]})",
        where=str(run.folder),
        hint="figures of different exams cannot be compared; train both with the same shoptalk train --data DATASET",
    )


def _judged(run: Run) -> Judged:
    """What a run's predictions got right, user by user."""
    where = str(run.folder)
    if not run.info.get("trained"):
        raise RunError("training has not ended", where=where, hint="go on with shoptalk train --resume")
    path = run.folder / "predictions.parquet"
    if not path.is_file():
        raise RunError(
            "it has no predictions to compare",
            where=where,
            hint=f"run: shoptalk evaluate {where}; a run that is judged by ratings alone has none",
        )
    try:
        users, values = _values(path)
        if not users or None in users:
            raise ValueError("it names no test users")
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        says = " ".join(str(error).split())[:200]
        raise RunError(f"damaged: {says}", where=str(path), hint=f"make it again: shoptalk evaluate {where}") from error
    return Judged(run, users, values)


def _values(path: Path) -> tuple[list[str], dict[str, Floats]]:
    """The users of ``predictions.parquet``, and their values by every metric that its columns allow."""
    names = set(pq.read_schema(path).names)
    scores = "option_scores" if "option_scores" in names else "scores"
    wanted = [*(["answer", scores] if "answer" in names else []), *(["truth", "ranked"] if "ranked" in names else [])]
    table = pq.read_table(path, columns=["user_id", *wanted])
    columns = {name: table[name].to_pylist() for name in table.column_names}
    values: dict[str, Floats] = {}
    if "ranked" in columns:
        codes = IdMap()
        found = find(codes.table(columns["ranked"], DEFAULT_K), codes.pairs(columns["truth"]))
        values |= found.metrics(DEFAULT_K, compared_names(DEFAULT_K))
    if "answer" in columns:
        values[OPTION_METRIC] = correctness([np.asarray(row, np.float64) for row in columns[scores]], columns["answer"])
    return columns["user_id"], values


def _shared(runs: Sequence[Judged]) -> tuple[list[str], list[str]]:
    """The metrics that all runs have, the deciding one first, and what is said where some have more."""
    known = (*compared_names(DEFAULT_K), OPTION_METRIC)
    shared = [metric for metric in known if all(metric in one.values for one in runs)]
    if not shared:
        poor = min(runs, key=lambda one: len(one.values))
        other = next(one for one in runs if not one.values.keys() & poor.values.keys())
        raise RunError(
            f"it has {_listed(poor.values)}, {other.name} has {_listed(other.values)}: nothing in common to compare",
            where=poor.name,
            hint="compare runs of one task; with item tokens and a [candidates] section a run has both",
        )
    left = {metric: [one.name for one in runs if metric not in one.values] for one in runs for metric in one.values}
    return shared, [
        f"{metric} is not compared: {', '.join(lacking)} {'has' if len(lacking) == 1 else 'have'} none"
        for metric, lacking in left.items()
        if lacking
    ]


def _listed(metrics: Any) -> str:
    return ", ".join(metrics) or "no metric"


def _grouped(runs: Sequence[Judged]) -> list[Group]:
    """Runs of one recipe together where their seeds differ; the same seed again is a recipe of its own."""
    together: dict[str, list[Judged]] = {}
    for one in runs:
        together.setdefault(json.dumps(_settings(one.run.recipe)), []).append(one)
    parts: list[list[Judged]] = []
    for group in together.values():
        seeds = {one.run.recipe.seed for one in group}
        parts += [group] if len(seeds) == len(group) else [[one] for one in group]
    flat = [_settings(part[0].run.recipe) for part in parts]
    names = dict.fromkeys(name for settings in flat for name in settings)
    apart = [name for name in names if len({json.dumps(settings.get(name)) for settings in flat}) > 1]
    settings = [{name: one.get(name) for name in apart} for one in flat]
    return [Group(*group) for group in zip(_names(parts, settings), parts, settings, strict=True)]


def _settings(recipe: Recipe) -> Mapping[str, Any]:
    """``section.key`` of all that makes the model and its scores; that the data are the same is known already."""
    content = recipe.model_dump(mode="json", exclude={"name", "seed", "data"})
    content["evaluation"] = {"scoring": recipe.evaluation.scoring}
    return {f"{name}.{key}": value for name, section in content.items() for key, value in (section or {}).items()}


def _names(parts: Sequence[Sequence[Judged]], settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The first of these that tells the groups apart: recipes' names, a setting or two, folders' names, their paths."""
    few = [", ".join(f"{name.partition('.')[2]}={value}" for name, value in one.items()) for one in settings]
    few = few if len(settings[0]) <= 2 else []
    folders = [part[0].run.folder for part in parts]
    for names in ([part[0].run.recipe.name for part in parts], few, [folder.name for folder in folders]):
        if all(names) and len(set(names)) == len(parts):
            return names
    return [str(folder) for folder in folders]


def _described(group: Group, metrics: Sequence[str], seed: int) -> ComparedRecipe:
    found = means({metric: group.values(metric) for metric in metrics}, seed=seed)
    by_seed = {metric: group.by_seed(metric) for metric in metrics}
    return ComparedRecipe(
        name=group.name,
        runs=tuple(one.name for one in group.runs),
        seeds=tuple(one.run.recipe.seed for one in group.runs),
        settings=group.settings,
        metrics={
            metric: SeededEstimate(
                value=found[metric].value,
                low=found[metric].low,
                high=found[metric].high,
                n=found[metric].n,
                spread=float(np.std(by_seed[metric], ddof=1)) if len(group.runs) > 1 else None,
                by_seed=tuple(by_seed[metric]),
            )
            for metric in metrics
        },
        cost=_cost(group.runs),
    )


def _cost(runs: Sequence[Judged]) -> Cost:
    """Means over the runs; None where one of them does not tell."""
    known = [_cost_of(one.run) for one in runs]

    def mean(name: str) -> float | None:
        values = [getattr(cost, name) for cost in known]
        return None if None in values else float(np.mean(values))

    parts = {cost.joules_of for cost in known}
    means_of = {one.name: mean(one.name) for one in fields(Cost) if one.name != "joules_of"}
    return Cost(**means_of, joules_of=known[0].joules_of if len(parts) == 1 else None)


def _cost_of(run: Run) -> Cost:
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
        known = {name: value if value is not None and math.isfinite(value) else None for name, value in numbers.items()}
        return Cost(**known, joules_of=tuple(str(part) for part in training.get("joules_of") or ()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        says = " ".join(str(error).split())[:200]
        raise RunError(
            f"its run.json is damaged: {says}", where=str(run.folder), hint="train it again: shoptalk train"
        ) from error


def _machines(runs: Sequence[Judged]) -> list[str]:
    """What makes costs incomparable."""
    machines = {json.dumps(one.run.info.get("machine"), sort_keys=True) for one in runs}
    notes = ["the runs were made on different machines: their times and joules do not compare"]
    return notes if len(machines) > 1 else []


def _seeds(groups: Sequence[Group], found: Sequence[Comparison]) -> list[str]:
    """What is not known about the luck of a seed."""
    once = [group.name for group in groups if len(group.runs) == 1]
    notes = []
    if len(groups) > 1 and once:
        whose = "each recipe" if len(once) == len(groups) else ", ".join(once)
        notes.append(f"trained with one seed: {whose}; what another would change is not known (see --seed)")
    named = {group.name: group for group in groups}
    for one in found:
        p = seeds_p(named[one.one].by_seed(one.metric), named[one.other].by_seed(one.metric))
        if one.p_holm < SIGNIFICANCE <= p:
            notes.append(
                f"{one.metric} of {one.one} and {one.other} differs for these users, but not clearly more than from "
                f"seed to seed (Welch's t test over seeds: p = {p:.3f}); train with more seeds"
            )
    return notes
