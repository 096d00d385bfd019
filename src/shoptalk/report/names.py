"""Display names of metrics and methods, and number formats, for pages and terminal."""

from typing import Protocol

from shoptalk.evaluation.metrics import METRICS
from shoptalk.evaluation.verdict import OPTION_METRIC
from shoptalk.registry import BASELINES

#: Names of methods that are not in the registry of baselines.
_METHOD_LABELS = {"majority": "majority class"}
#: Names of methods that can rank for a run.
_RANKING_METHODS = {
    "model": "the trained model",
    "lambdamart": "the second stage (LambdaMART)",
    "linear": "the second stage (linear weights)",
    "tuned_transitions": "graph of transitions, by text (tuned)",
    "item_knn": "item-kNN (fixed settings)",
    "transitions": "transitions (fixed settings)",
    "als": "ALS (fixed settings)",
}
MODEL, SWAPPED = "this model", "this model, permuted histories"
#: Display names of other metrics, if they are not the capitalised metric name.
_LABELS = {
    "f1": "F1",
    "ece": "ECE",
    "repeat_share": "duplicate rate",
    "echo_share": "history repeat rate",
    "invalid_share": "invalid rate",
}
#: Metrics shown below a heading that names the cutoff.
_WITHOUT_CUTOFF = ("coverage", "novelty", "diversity")


class Interval(Protocol):
    """An interval; its ends are NaN if unknown."""

    @property
    def low(self) -> float: ...  # noqa: D102

    @property
    def high(self) -> float: ...  # noqa: D102


def metric_label(name: str) -> str:
    """The display name of a metric: Recall@10, NDCG@10, Accuracy, Personalisation gap."""
    base_name, separator, k = name.partition("@")
    metric = METRICS.get(base_name)
    label = _LABELS.get(base_name, base_name.capitalize().replace("_", " ")) if metric is None else metric.label
    return label + separator + k


def column_label(name: str) -> str:
    """The display name as a column head, without the cutoff where the table names it: Recall@10, coverage."""
    base_name = name.partition("@")[0]
    return base_name if base_name in _WITHOUT_CUTOFF else metric_label(name)


def baseline_label(name: str, metric: str) -> str:
    """The display name of a baseline. With options, ``popularity`` chooses the most popular option."""
    if name == "popularity" and metric == OPTION_METRIC:
        return "most popular option"
    entry = BASELINES.get(name)
    return _METHOD_LABELS.get(name, name) if entry is None else entry.label


def ranking_label(method: str) -> str:
    """The display name of a method of `RankingMethod`: a model, a second stage, or a source of candidates.

    Sources have fixed settings, so that they have other names than the tuned baselines.
    """
    return _RANKING_METHODS.get(method, method.replace("_", " "))


def show_p(p: float | None) -> str:
    """A formatted p value: ``p = 0.012``, ``p < 0.001``; empty if unknown."""
    if p is None or p != p:  # noqa: PLR0124  (NaN)
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def span(figure: Interval, digits: int) -> str:
    """The formatted interval; empty if unknown."""
    if figure.low != figure.low or figure.high != figure.high:
        return ""
    return f"{figure.low:z.{digits}f} to {figure.high:z.{digits}f}"
