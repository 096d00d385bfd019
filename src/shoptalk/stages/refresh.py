"""Refresh a run: train again with what is new, test both on new purchases, and take the new one up if not worse."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from shoptalk.constants import DEFAULT_K
from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.grown import INTERACTIONS, ITEMS, GrownData, grow, new_cases
from shoptalk.data.prepare import prepare
from shoptalk.errors import RecipeError, RunError, ShoptalkError, UsageError
from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.catalogue import means
from shoptalk.evaluation.metrics import compared_names
from shoptalk.evaluation.paired import compare
from shoptalk.evaluation.verdict import OPTION_METRIC
from shoptalk.progress import Progress
from shoptalk.recipe import Recipe
from shoptalk.results import Outcome, RefreshResult, RefreshTest, from_json, write_result
from shoptalk.runs import Run, open_run
from shoptalk.schema import EvalExample
from shoptalk.stages.compare import read_user_metrics
from shoptalk.stages.judge import judge
from shoptalk.stages.old_version import predict_with_old
from shoptalk.stages.train import train
from shoptalk.versions import (
    locked,
    new_version,
    remove_others,
    roll_back,
    take_up,
    taken_versions,
    version_folder,
)

#: In the folder of a version: the raw tables, its dataset, and the decision.
RAW, DATASET, RESULT = "raw", "dataset", "refresh.json"
#: How much worse a new run may be, as a share of the old one's metric.
MARGIN = 0.1
#: Fewer test cases than this decide nothing.
FEWEST_CASES = 100
#: Versions that are kept.
KEEP = 3
#: Exit code of the command if a new run was refused.
REFUSED = 5
#: Splits whose test purchases are the latest of their user or of all.
_BY_TIME = ("leave-one-out", "by-time", "by-time-per-user")
#: Environment variable in which `refresh_in_process` hands the address over, which may contain a password.
_ADDRESS = "SHOPTALK_REFRESH_DATABASE"


def refresh(
    run: Path,
    database: str,
    progress: Progress,
    *,
    kinds: tuple[str, ...] = ("purchase",),
    margin: float = MARGIN,
    keep: int = KEEP,
) -> RefreshResult:
    """Train a new version of a run with the purchases of a database, and take it up if it is not worse.

    The new version is trained from the beginning, with the recipe of the run, on all purchases. Both versions are then
    evaluated on the test cases of the new dataset whose next purchase is new, which neither has learned from. The new
    one is taken up only if the 95 % interval of the paired difference of the main metric lies above minus the margin:
    a test of non-inferiority at 2.5 %. A crash at any moment leaves the old version as the current one.

    Parameters
    ----------
    run
        Folder of the run, whose versions are made inside it.
    database
        Address or path of the database.
    kinds
        The kinds of events that are purchases.
    margin
        How much worse it may be, as a share of the old version's metric.
    keep
        How many versions are kept, the current one among them.

    Raises
    ------
    ShoptalkError
        For a run or database that cannot be used, or data that cannot be trained on.
    """
    begin = time.perf_counter()
    _check(margin, keep)
    with locked(_run_folder(run)):
        old = open_run(run)
        _check_recipe(old)
        before = taken_versions(run)[-1]
        remove_others(run)
        version = new_version(run)
        folder = version_folder(run, version)
        progress("refresh", 0, 1, "reading the database")
        grown = grow(_recipe_in(old), old.dataset, database, kinds, folder / RAW)
        base = RefreshResult(
            outcome="nothing new",
            says=f"there is no purchase that version {before} does not have: nothing was trained",
            run=str(run),
            before=before,
            current=before,
            versions=taken_versions(run),
            database=grown.database,
            purchases=grown.purchases,
            users=grown.users,
            items=grown.items,
            erased=grown.erased,
            warnings=grown.warnings,
        )
        if not grown.purchases and not grown.erased:
            remove_others(run)
            return replace(base, seconds=time.perf_counter() - begin)
        dataset = _prepare(grown, folder, progress)
        cases = _new_test_cases(dataset, folder)
        trained = train(grown.recipe, dataset, folder, progress)
        trained = replace(trained, run=trained.run.note(version=version))
        judge(trained, progress)
        result = replace(
            base, version=version, cases=len(cases), **_decide(old, dataset, cases, folder, margin, progress)
        )
        result = replace(result, seconds=time.perf_counter() - begin)
        if result.outcome == "taken up":
            kept = (*taken_versions(run), version)[-keep:]
            result = replace(result, current=version, versions=kept)
            write_result(folder / RESULT, result)
            take_up(run, version, keep)
        else:
            write_result(folder / RESULT, result)
        return result


def rollback(run: Path) -> RefreshResult:
    """Make the version before the current one the current one again.

    Raises
    ------
    RunError
        If there is none, or if a refresh is going on.
    """
    with locked(_run_folder(run)):
        *left, before = roll_back(run)
        return RefreshResult(
            outcome="rolled back",
            says=f"version {left[-1]} is current again",
            run=str(run),
            before=before,
            current=left[-1],
            versions=tuple(left),
        )


def refresh_in_process(
    run: Path, database: str, *, arguments: Sequence[str] = (), timeout: float | None = None
) -> RefreshResult:
    """`refresh` in a process of its own, so that training takes no memory of a service and a crash cannot end it.

    Parameters
    ----------
    database
        The address; it is handed over in the environment, because other users of a machine can see arguments.
    arguments
        More arguments of ``shoptalk refresh``.
    timeout
        Seconds until the process is ended; the old version stays.

    Raises
    ------
    ShoptalkError
        What the command printed as its error, or that it was ended.
    """
    command = [sys.executable, "-m", "shoptalk.cli.main", "refresh", str(run), "--from", f"${{{_ADDRESS}}}", "--json"]
    try:
        done = subprocess.run(
            [*command, *arguments],
            env={**os.environ, _ADDRESS: database},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RunError(f"the refresh took more than {timeout:g} s and was ended", where=str(run)) from error
    try:
        content: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise RunError(f"the refresh ended with code {done.returncode}", where=str(run)) from error
    if "error" in content:
        problem = content["error"]
        raise ShoptalkError(problem["message"], where=problem.get("where"), hint=problem.get("hint"))
    return from_json(RefreshResult, content)


def _run_folder(run: Path) -> Path:
    """The folder, if it is that of a run."""
    if not (run / "run.json").is_file():
        raise RunError("not a run", where=str(run), hint="make one with shoptalk train or shoptalk run")
    return run


def _check(margin: float, keep: int) -> None:
    if not 0 <= margin < 1:
        raise UsageError(f"the margin is a share of the metric, at least 0 and below 1, not {margin:g}")
    if keep < 1:
        raise UsageError(f"at least one version is kept, not {keep}")


def _check_recipe(run: Run) -> None:
    """Refuse what cannot be tested on new purchases, before anything is trained."""
    if not run.trained:
        raise RunError("training has not finished", where=str(run.folder), hint="use shoptalk train --resume")
    if run.recipe.split.method not in _BY_TIME:
        raise RecipeError(
            f'split.method = "{run.recipe.split.method}" does not hold back the latest purchases',
            where=str(run.folder / "recipe.toml"),
            hint=f"train a run that can be refreshed with one of: {', '.join(_BY_TIME)}",
        )


def _recipe_in(run: Run) -> Recipe:
    """The recipe of a run; that of a version reads the raw tables of its folder, wherever that was moved."""
    raw = run.folder / RAW
    if not (raw / INTERACTIONS).is_file():
        return run.recipe
    paths = {"interactions": str(raw / INTERACTIONS), "items": str(raw / ITEMS)}
    return run.recipe.model_copy(update={"data": run.recipe.data.model_copy(update=paths)})


def _prepare(grown: GrownData, folder: Path, progress: Progress) -> Dataset:
    prepare(grown.recipe, folder / DATASET, progress)
    return open_dataset(folder / DATASET)


def _new_test_cases(dataset: Dataset, folder: Path) -> list[EvalExample]:
    """The test cases whose first target is new."""
    rows = dataset.rows
    cases = list(dataset.split("last").test)
    user_numbers = {user: number for number, user in enumerate(rows.users.tolist())}
    firsts = [int(rows.start[user_numbers[case.history.user_id]]) + len(case.history.items) for case in cases]
    asked = [
        (case.history.user_id, case.targets[0], float(rows.time[first]))
        for case, first in zip(cases, firsts, strict=True)
    ]
    return [case for case, new in zip(cases, new_cases(folder / RAW, asked), strict=True) if new]


def _decide(
    old: Run, dataset: Dataset, cases: Sequence[EvalExample], folder: Path, margin: float, progress: Progress
) -> dict[str, Any]:
    """The outcome, its reason and the test."""
    if len(cases) < FEWEST_CASES:
        few = f"only {len(cases)} users have a new purchase to test on, fewer than {FEWEST_CASES}"
        return {"outcome": "refused", "says": f"{few}: the old version stays"}
    users, of_new = read_user_metrics(folder)
    of_old = predict_with_old(old, dataset, cases, folder, progress)
    metrics = (*compared_names(DEFAULT_K), OPTION_METRIC)
    metric = next((name for name in metrics if name in of_new and name in of_old), None)
    if metric is None:
        raise RunError("the run has no metric of rankings or options to compare", where=str(old.folder))
    index = {user: number for number, user in enumerate(users)}
    new_values = of_new[metric][[index[case.history.user_id] for case in cases]]
    settings = {"seed": old.recipe.seed, "resamples": old.recipe.evaluation.resamples}
    test = not_worse(metric, of_old[metric], new_values, margin, **settings)
    outcome, says = decision(test)
    return {"outcome": outcome, "says": says, "test": test}


def not_worse(
    metric: str, old: Floats, new: Floats, margin: float, *, seed: int = 1, resamples: int = 1000
) -> RefreshTest:
    """The paired test of two versions on the same N cases, (N,) values each; ``margin`` is a share of the old mean."""
    estimates = means({"old": old, "new": new}, seed=seed, resamples=resamples)
    difference = compare(new, old, seed=seed, resamples=resamples)
    return RefreshTest(metric, estimates["old"], estimates["new"], difference, margin * estimates["old"].value)


def decision(test: RefreshTest) -> tuple[Outcome, str]:
    """Whether the new version is taken up, and why."""
    low, high, cases = test.difference.low, test.difference.high, test.difference.n
    figures = (
        f"{test.metric} {test.old.value:.4f} -> {test.new.value:.4f} on {cases:,} new purchases, difference "
        f"{test.difference.difference:+.4f} (95 % interval {low:+.4f} to {high:+.4f}, margin {test.margin:.4f})"
    )
    if low > -test.margin:
        return "taken up", f"not worse: {figures}"
    reason = "worse" if high < 0 else "not shown to be as good"
    return "refused", f"{reason}: {figures}; the old version stays"
