"""What metrics and methods are called, and how figures are written: one table each for pages and terminal."""

from typing import Protocol

from shoptalk.evaluation.metrics import METRICS
from shoptalk.evaluation.verdict import OPTION_METRIC
from shoptalk.registry import BASELINES

#: Names of simple methods that are not in the registry of baselines.
_METHODS = {"majority": "the usual answer"}
MODEL, SWAPPED = "this model", "this model, another user's history"
#: Figures that are no ranking metrics, and whose name is not their word with a capital.
_OTHERS = {
    "f1": "F1",
    "ece": "ECE",
    "repeat_share": "repeats",
    "echo_share": "echoes",
    "invalid_share": "invalid",
}
#: Metrics of the first ten whose heading says so.
_OF_LISTS = ("coverage", "novelty", "diversity")


class Interval(Protocol):
    """Anything with two ends, which are NaN where they are not known."""

    @property
    def low(self) -> float: ...  # noqa: D102

    @property
    def high(self) -> float: ...  # noqa: D102


def metric_label(name: str) -> str:
    """A metric's name for people: Recall@10, NDCG@10, Accuracy, Personalisation gap."""
    word, at, k = name.partition("@")
    metric = METRICS.get(word)
    label = _OTHERS.get(word, word.capitalize().replace("_", " ")) if metric is None else metric.label
    return label + at + k


def column_label(name: str) -> str:
    """The same as the head of a column, below a heading that says of how many: Recall@10, coverage."""
    word = name.partition("@")[0]
    return word if word in _OF_LISTS else metric_label(name)


def baseline_label(name: str, metric: str) -> str:
    """A simple method's name; a popular product is the most popular option where options are shown."""
    if name == "popularity" and metric == OPTION_METRIC:
        return "most popular option"
    entry = BASELINES.get(name)
    return _METHODS.get(name, name) if entry is None else entry.label


def show_p(p: float | None) -> str:
    """A p value in words: ``p = 0.012``, ``p < 0.001``; empty where there is none."""
    if p is None or p != p:  # noqa: PLR0124  (NaN)
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def span(figure: Interval, digits: int) -> str:
    """The interval in words; empty where there is none."""
    if figure.low != figure.low or figure.high != figure.high:
        return ""
    return f"{figure.low:z.{digits}f} to {figure.high:z.{digits}f}"
