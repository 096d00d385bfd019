"""Rows of the result tables, the same for the page and the terminal."""

from dataclasses import dataclass

from shoptalk.constants import DEFAULT_K
from shoptalk.evaluation.catalogue import KS
from shoptalk.evaluation.metrics import compared_names, tested_names
from shoptalk.evaluation.verdict import OPTION_METRIC, RANKING_METRIC, best_baseline, significant
from shoptalk.report.bars import Bar
from shoptalk.report.names import MODEL, SWAPPED, baseline_label, show_p
from shoptalk.results import Difference, EvaluationResult, Metrics
from shoptalk.schema import Estimate

#: The main metric, and the second one.
MAIN, SECONDARY = RANKING_METRIC, next(name for name in tested_names(DEFAULT_K) if name != RANKING_METRIC)
#: Further columns of the table, and metrics of shorter and longer lists.
ACCURACY = tuple(name for name in compared_names(DEFAULT_K) if name != MAIN)
MORE = tuple(name for k in KS if k != DEFAULT_K for name in tested_names(k))
BEYOND_ACCURACY = ("coverage@10", "novelty@10", "diversity@10", "repeat_share", "echo_share", "invalid_share")
SEGMENT_TITLES = {
    "history": "history length",
    "popularity": "popularity decile of the target (10: most popular)",
    "cold": "target bought in training?",
    "ties": "tied timestamp?",
}


@dataclass(frozen=True, slots=True)
class MethodRow:
    """A method with its metrics; ``versus`` is the model minus the method by the main metric, None for the model."""

    name: str
    kind: str
    metrics: Metrics
    versus: Difference | None = None

    @property
    def significant(self) -> bool:
        """Whether the difference is significant."""
        return significant(self.versus)

    @property
    def p(self) -> str:
        """The formatted corrected p value; empty if there is none."""
        return show_p(self.versus.corrected) if self.versus else ""


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A segment with the main metric of the model and of the best baseline (None if there is none)."""

    name: str
    model: Estimate
    best: Estimate | None

    @property
    def n(self) -> int:
        """Number of users."""
        return self.model.n


@dataclass(frozen=True, slots=True)
class SegmentPanel:
    """One segmentation of the test cases."""

    title: str
    rows: tuple[SegmentRow, ...]


def method_rows(result: EvaluationResult, main: str = MAIN) -> list[MethodRow]:
    """The model first, then the baselines that have the metric, from best to worst."""
    compared = {name: metrics for name, metrics in result.baselines.items() if main in metrics and metrics[main].known}
    return [
        MethodRow(MODEL, "model", result.metrics),
        *(
            MethodRow(baseline_label(name, main), "baseline", compared[name], result.difference(name, main))
            for name in sorted(compared, key=lambda name: -compared[name][main].value)
        ),
    ]


def recall_bars(result: EvaluationResult) -> list[Bar]:
    """Recall of the model, of the model with permuted histories, and of each baseline."""
    model, *baselines = method_rows(result)
    rows = [Bar(model.name, "model", model.metrics[MAIN])]
    if f"swapped_{MAIN}" in result.metrics:
        rows.append(Bar(SWAPPED, "swapped", result.metrics[f"swapped_{MAIN}"]))
    return rows + [Bar(row.name, "baseline", row.metrics[MAIN]) for row in baselines]


def accuracy_bars(result: EvaluationResult) -> list[Bar]:
    """Accuracy of the model, of the model with permuted histories, and of each baseline in the recipe's order."""
    metrics = result.metrics
    if OPTION_METRIC not in metrics:
        return []
    rows = [Bar(MODEL, "model", metrics[OPTION_METRIC])]
    if f"swapped_{OPTION_METRIC}" in metrics:
        rows.append(Bar(SWAPPED, "swapped", metrics[f"swapped_{OPTION_METRIC}"]))
    rows += [
        Bar(baseline_label(name, OPTION_METRIC), "baseline", table[OPTION_METRIC])
        for name, table in result.baselines.items()
        if OPTION_METRIC in table
    ]
    return [row for row in rows if row.figure.known]


def segment_panels(result: EvaluationResult) -> list[SegmentPanel]:
    """Recall by segment, of the model and of the best baseline: a panel per segmentation.

    Segmentations with a single segment are left out.
    """
    best = best_baseline(result)
    panels = []
    for name, segments in result.segments.items():
        rows = tuple(
            SegmentRow(segment, methods["model"][MAIN], methods.get(best or "", {}).get(MAIN))
            for segment, methods in segments.items()
        )
        if len(rows) > 1:
            panels.append(SegmentPanel(SEGMENT_TITLES.get(name, name), rows))
    return panels
