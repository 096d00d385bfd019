"""Evaluate models beside baselines and what others bring, and compare them."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoptalk.api.model import Model
from shoptalk.api.others import as_recommender
from shoptalk.api.settings import SECTIONS
from shoptalk.data.dataset import Dataset
from shoptalk.errors import DatasetError, UsageError
from shoptalk.evaluation.verdict import main_result
from shoptalk.progress_bars import progress_bars
from shoptalk.recipe import Recipe, parse_recipe
from shoptalk.report.names import MODEL, baseline_label, metric_label
from shoptalk.report.verdict import show_verdict
from shoptalk.results import ComparisonResult, Metrics, RankingMethod, RunResult, Verdict
from shoptalk.stages.compare import compare as compare_runs
from shoptalk.stages.judge import judge
from shoptalk.stages.load_dataset import run_split

if TYPE_CHECKING:
    import pandas as pd


class Report:
    """What `evaluate` measured.

    Attributes
    ----------
    result
        All of it, typed: the evaluation, the audit and the verdict.
    folder
        The run's folder, with ``report.html``, ``metrics.json`` and ``predictions.parquet``.
    """

    def __init__(self, result: RunResult, folder: Path) -> None:
        self.result, self.folder = result, folder

    @property
    def metrics(self) -> Metrics:
        """The model's metrics by name: value, interval and number of users."""
        return self.result.evaluation.metrics

    @property
    def baselines(self) -> Mapping[str, Metrics]:
        """The metrics of each baseline, and of the others that were given, by its name."""
        return self.result.evaluation.baselines

    @property
    def verdict(self) -> Verdict:
        """Whether the model is better than the best baseline, and whether it uses the history."""
        return self.result.verdict

    @property
    def ranking(self) -> RankingMethod | None:
        """Which method ranks, with NDCG@10 of each on held-out validation users; None if there was no choice."""
        return self.result.evaluation.training.ranking

    @property
    def headline(self) -> str:
        """The verdict in a sentence, as the report shows it."""
        view = show_verdict(self.result.evaluation, self.result.audit)
        return f"{view.title}: {view.sentence}"

    def table(self, *metrics: str) -> "pd.DataFrame":
        """One row per method and metric: method, metric, value, low, high, n.

        Parameters
        ----------
        metrics
            Names of metrics; without any, all that the model has.
        """
        import pandas as pd

        methods = {"model": self.metrics, **self.baselines}
        rows = [
            (method, name, estimate.value, estimate.low, estimate.high, estimate.n)
            for method, figures in methods.items()
            for name, estimate in figures.items()
            if name in (metrics or self.metrics)
        ]
        return pd.DataFrame(rows, columns=["method", "metric", "value", "low", "high", "n"])

    def save(self, path: str | Path) -> Path:
        """Copy the HTML report, one file that needs no other."""
        return Path(shutil.copyfile(self.folder / "report.html", path))

    def __repr__(self) -> str:
        main = main_result(self.result.evaluation)
        figure = "" if main is None else f"{metric_label(main.metric)} {main.model.value:.4f}: "
        return f"Report({figure}{self.headline})"

    def _repr_html_(self) -> str:
        """The verdict and the main metric of each method, for notebooks."""
        from html import escape

        evaluation = self.result.evaluation
        headline = escape(self.headline)
        main = main_result(evaluation)
        if main is None:
            return f"<p><b>{headline}</b></p>"
        methods = {MODEL: self.metrics} | {
            baseline_label(name, main.metric): row for name, row in self.baselines.items()
        }
        rows = "".join(
            f"<tr><td>{escape(method)}</td><td>{figures[main.metric].value:.4f}</td>"
            f"<td>{figures[main.metric].low:.4f} to {figures[main.metric].high:.4f}</td></tr>"
            for method, figures in methods.items()
            if main.metric in figures
        )
        head = f"<tr><th>method</th><th>{escape(metric_label(main.metric))}</th><th>95 % interval</th></tr>"
        return f"<p><b>{headline}</b></p><table>{head}{rows}</table><p>{main.model.n:,} test users</p>"


def evaluate(
    model: Model,
    data: Dataset | None = None,
    *,
    others: Mapping[str, Any] | None = None,
    seed: int | None = None,
    progress: bool = True,
    **settings: Any,
) -> Report:
    """Evaluate a model on its test cases beside baselines, audit the evaluation, and write the report.

    Parameters
    ----------
    model
        A trained model.
    data
        Its dataset, which is also the default; another one is refused, as the model may have learned its test cases.
    others
        By name, what else is judged on the same test cases: a `Recommender`; a fitted or unfitted model with RecTools'
        ``fit(dataset)`` and ``recommend(users, dataset, k, filter_viewed)``; or a ranked table with the columns
        user_id, item_id and rank or score.
    seed
        Seed of the intervals and of the history permutation.
    **settings
        Settings of the recipe's section evaluation: ``k``, ``baselines``, ``resamples``, ``generate``, ``scoring``.

    Returns
    -------
    Report

    Raises
    ------
    ShoptalkError
        For another dataset, a dataset without test cases, or a setting of another section.
    """
    trained = model.trained
    if data is not None and data.fingerprint != trained.dataset.fingerprint:
        raise DatasetError(
            "this is not the dataset that the model was trained on",
            where=str(data.folder),
            hint="evaluate it on its own test cases, or fit a model on this dataset",
        )
    run = replace(trained.run, recipe=_with_evaluation(trained.run.recipe, settings, seed))
    split = run_split(run, trained.dataset)
    k = run.recipe.evaluation.k
    added = {name: as_recommender(name, other, split, trained.dataset, k) for name, other in (others or {}).items()}
    with progress_bars(show=progress) as report:
        result = judge(replace(trained, run=run), report, others=added)
    return Report(result, run.folder)


def compare(*models: Model | Report | str | Path, seed: int = 1) -> ComparisonResult:
    """Compare evaluated models on their common test users, with paired tests. Seeds of one recipe are averaged.

    Parameters
    ----------
    models
        At least two models, reports or folders of runs, on one dataset.

    Raises
    ------
    ShoptalkError
        Naming the model that cannot be compared with the others, and why.
    """
    folders = [model.folder if isinstance(model, Model | Report) else Path(model) for model in models]
    return compare_runs(folders, seed=seed)


def _with_evaluation(recipe: Recipe, settings: Mapping[str, Any], seed: int | None) -> Recipe:
    known = SECTIONS["evaluation"].model_fields
    if unknown := [name for name in settings if name not in known]:
        raise UsageError(
            f"{unknown[0]} is not a setting of the section evaluation", hint=f"known here: {', '.join(known)}"
        )
    content = {name: value for name, value in recipe.model_dump(exclude_none=True).items() if name != "sweep"}
    content["evaluation"] = {**content["evaluation"], **settings}
    if seed is not None:
        content["data"]["seed"], content["seed"] = recipe.data_seed, seed  # the dataset stays what it is
    return parse_recipe(content, where="settings")
