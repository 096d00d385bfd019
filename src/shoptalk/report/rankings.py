"""What a page and a terminal say of whole-catalogue rankings: the same rows for both."""

from collections.abc import Mapping
from typing import Any

from shoptalk.registry import BASELINES

#: The metric by which methods are ranked, and the one beside it.
MAIN, BESIDE = "recall@10", "ndcg@10"
ACCURACY = ("ndcg@10", "mrr@10")
MORE = ("recall@5", "ndcg@5", "recall@20", "ndcg@20")
BEYOND = ("coverage@10", "novelty@10", "diversity@10", "repeat_share", "echo_share", "invalid_share")
#: Sees the options and never the history: it tells what the options give away.
PROBE = "options_only"
#: A difference with a smaller corrected p value is called significant.
LEVEL = 0.05

#: Names of simple methods as a reader knows them.
NAMES = {
    "model": "this model",
    "swapped": "this model, another user's history",
    "majority": "the usual answer",
    **{name: entry.label for name, entry in BASELINES.items()},
}
WAYS = {
    "history": "length of the history",
    "popularity": "popularity of the right item (10: most bought tenth)",
    "cold": "right item bought in training?",
    "ties": "moment shared with a neighbour?",
}


def has_rankings(metrics: dict[str, Any]) -> bool:
    """Whether the whole catalogue was ranked."""
    return MAIN in metrics["metrics"]


def best_baseline(metrics: dict[str, Any], main: str = MAIN) -> str | None:
    """The simple method with the highest figure; None where there is none to compare with. A probe is no competitor."""
    able = {
        name: own[main]["value"]
        for name, own in metrics["baselines"].items()
        if own.get(main, {}).get("value") is not None and name != PROBE
    }
    return max(able, key=lambda name: able[name]) if able else None


def method_rows(
    metrics: dict[str, Any], main: str = MAIN, names: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """The model first, then the simple methods, the best first.

    Each row has ``name``, ``kind`` (``model`` or ``baseline``), ``metrics`` and ``versus`` (the model minus this method
    by ``main``; None for the model), and ``significant``.
    """
    names = NAMES if names is None else names
    rows = [{"name": names["model"], "kind": "model", "metrics": metrics["metrics"], "versus": None}]
    able = {name: own for name, own in metrics["baselines"].items() if own.get(main, {}).get("value") is not None}
    for name in sorted(able, key=lambda name: -able[name][main]["value"]):
        versus = metrics.get("versus", {}).get(name, {}).get(main)
        rows.append({"name": names.get(name, name), "kind": "baseline", "metrics": able[name], "versus": versus})
    return [row | {"significant": significant(row["versus"])} for row in rows]


def recall_bars(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows for ``bars.draw_bars``: recall of the model, of the model with others' histories, of each simple method."""
    own, *others = method_rows(metrics)
    rows = [{"name": own["name"], "kind": "model", **own["metrics"][MAIN]}]
    if "swapped_recall@10" in metrics["metrics"]:
        rows.append({"name": NAMES["swapped"], "kind": "swapped", **metrics["metrics"]["swapped_recall@10"]})
    return rows + [{"name": row["name"], "kind": "baseline", **row["metrics"][MAIN]} for row in others]


def segment_panels(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Recall by segment, of the model and of the best simple method: a panel for each way of cutting.

    Each has ``title`` and ``rows`` of ``name``, ``n``, ``model`` and ``best`` (None where there is none). A way with
    one segment says nothing and is left out.
    """
    best = best_baseline(metrics)
    panels = []
    for way, segments in metrics.get("segments", {}).items():
        rows = [
            {
                "name": name,
                "n": methods["model"][MAIN]["n"],
                "model": methods["model"][MAIN],
                "best": methods[best][MAIN] if best in methods else None,
            }
            for name, methods in segments.items()
        ]
        if len(rows) > 1:
            panels.append({"title": WAYS.get(way, way), "rows": rows})
    return panels


def corrected_p(versus: dict[str, Any]) -> float | None:
    """The p value corrected for the number of methods, where it was."""
    return versus.get("p_holm", versus["p"])


def show_p(p: float | None) -> str:
    """A p value in words: ``p = 0.012``, ``p < 0.001``; empty where there is none."""
    if p is None or p != p:  # noqa: PLR0124  (NaN)
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def significant(versus: dict[str, Any] | None) -> bool:
    """Whether a paired difference is more than chance would give, by the corrected p value."""
    p = corrected_p(versus) if versus else None
    return p is not None and p < LEVEL
