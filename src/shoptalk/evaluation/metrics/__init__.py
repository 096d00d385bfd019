"""The registry of ranking metrics. Scoring, evaluation, comparison and the report all use `METRICS`.

A new metric is one function over all users, one line in `METRICS` and one mirrored test. This module imports no
metric, so that reading the labels is cheap.
"""

from shoptalk.evaluation.metrics.metric import Metric, MetricFunction
from shoptalk.plugins import Registry

_HERE = "shoptalk.evaluation.metrics"

#: By the name before the ``@`` in ``recall@10``, in the order in which metrics are written.
METRICS: Registry[Metric] = Registry(
    {
        "recall": Metric("Recall", f"{_HERE}.recall:recall", tested=True, compared=True),
        "ndcg": Metric("NDCG", f"{_HERE}.ndcg:ndcg_at_k", tested=True, compared=True),
        "hr": Metric("HR", f"{_HERE}.recall:hit_rate"),
        "mrr": Metric("MRR", f"{_HERE}.mrr:reciprocal_rank", compared=True),
        "precision": Metric("Precision", f"{_HERE}.recall:precision"),
        "map": Metric("MAP", f"{_HERE}.average_precision:average_precision"),
    }
)
#: Other figures that are better when they are smaller.
_SMALLER_IS_BETTER = ("validation_loss", "ece")


def tested_names(k: int) -> tuple[str, ...]:
    """The metrics at k by which a model is compared with every baseline, also in segments.

    Examples
    --------
    >>> tested_names(10)
    ('recall@10', 'ndcg@10')
    """
    return tuple(f"{name}@{k}" for name, metric in METRICS.items() if metric.tested)


def compared_names(k: int) -> tuple[str, ...]:
    """The metrics at k by which runs are compared, the main one first.

    Examples
    --------
    >>> compared_names(5)
    ('recall@5', 'ndcg@5', 'mrr@5')
    """
    return tuple(f"{name}@{k}" for name, metric in METRICS.items() if metric.compared)


def larger_is_better(name: str) -> bool:
    """Whether larger values are better: as `METRICS` states, and for other figures unless they are a loss or an error.

    Examples
    --------
    >>> larger_is_better("ndcg@10"), larger_is_better("accuracy"), larger_is_better("validation_loss")
    (True, True, False)
    """
    metric = METRICS.get(name.partition("@")[0])
    return name not in _SMALLER_IS_BETTER if metric is None else metric.larger_is_better


__all__ = ["METRICS", "Metric", "MetricFunction", "compared_names", "larger_is_better", "tested_names"]
