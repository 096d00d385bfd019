"""What a page and a terminal say of rankings and choices: the same rows for both."""

from dataclasses import dataclass

from shoptalk.constants import DEFAULT_K
from shoptalk.evaluation.catalogue import KS
from shoptalk.evaluation.metrics import compared_names, tested_names
from shoptalk.evaluation.verdict import OPTION_METRIC, RANKING_METRIC, best_baseline, significant
from shoptalk.report.bars import Bar
from shoptalk.report.names import MODEL, SWAPPED, baseline_label, show_p
from shoptalk.results import Difference, EvaluationResult, Metrics
from shoptalk.schema import Estimate

#: The metric by which methods are ranked, and the one beside it.
MAIN, BESIDE = RANKING_METRIC, next(name for name in tested_names(DEFAULT_K) if name != RANKING_METRIC)
#: The other columns, and those of shorter and longer lists.
ACCURACY = tuple(name for name in compared_names(DEFAULT_K) if name != MAIN)
MORE = tuple(name for k in KS if k != DEFAULT_K for name in tested_names(k))
BEYOND_ACCURACY = ("coverage@10", "novelty@10", "diversity@10", "repeat_share", "echo_share", "invalid_share")
WAYS = {
    "history": "length of the history",
    "popularity": "popularity of the right item (10: most bought tenth)",
    "cold": "right item bought in training?",
    "ties": "moment shared with a neighbour?",
}


@dataclass(frozen=True, slots=True)
class MethodRow:
    """A method with its figures; ``versus`` is the model minus it by the main metric, None for the model itself."""

    name: str
    kind: str
    metrics: Metrics
    versus: Difference | None = None

    @property
    def significant(self) -> bool:
        """Whether the difference is more than chance would give."""
        return significant(self.versus)

    @property
    def p(self) -> str:
        """The corrected p value in words; empty where there is none."""
        return show_p(self.versus.corrected) if self.versus else ""


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A segment with the main metric of the model and of the best simple method (None: there is none)."""

    name: str
    model: Estimate
    best: Estimate | None

    @property
    def n(self) -> int:
        """Users in it."""
        return self.model.n


@dataclass(frozen=True, slots=True)
class SegmentPanel:
    """One way of cutting the test into segments."""

    title: str
    rows: tuple[SegmentRow, ...]


def method_rows(result: EvaluationResult, main: str = MAIN) -> list[MethodRow]:
    """The model first, then the simple methods that have the metric, the best first."""
    able = {name: own for name, own in result.baselines.items() if main in own and own[main].known}
    return [
        MethodRow(MODEL, "model", result.metrics),
        *(
            MethodRow(baseline_label(name, main), "baseline", able[name], result.difference(name, main))
            for name in sorted(able, key=lambda name: -able[name][main].value)
        ),
    ]


def recall_bars(result: EvaluationResult) -> list[Bar]:
    """Recall of the model, of the model with others' histories, and of each simple method."""
    own, *others = method_rows(result)
    rows = [Bar(own.name, "model", own.metrics[MAIN])]
    if f"swapped_{MAIN}" in result.metrics:
        rows.append(Bar(SWAPPED, "swapped", result.metrics[f"swapped_{MAIN}"]))
    return rows + [Bar(row.name, "baseline", row.metrics[MAIN]) for row in others]


def accuracy_bars(result: EvaluationResult) -> list[Bar]:
    """Accuracy of the model, with its own and with other users' histories, and of each simple method in their order."""
    own = result.metrics
    if OPTION_METRIC not in own:
        return []
    rows = [Bar(MODEL, "model", own[OPTION_METRIC])]
    if f"swapped_{OPTION_METRIC}" in own:
        rows.append(Bar(SWAPPED, "swapped", own[f"swapped_{OPTION_METRIC}"]))
    rows += [
        Bar(baseline_label(name, OPTION_METRIC), "baseline", metrics[OPTION_METRIC])
        for name, metrics in result.baselines.items()
        if OPTION_METRIC in metrics
    ]
    return [row for row in rows if row.figure.known]


def segment_panels(result: EvaluationResult) -> list[SegmentPanel]:
    """Recall by segment, of the model and of the best simple method: a panel for each way of cutting.

    A way with one segment says nothing and is left out.
    """
    best = best_baseline(result)
    panels = []
    for way, segments in result.segments.items():
        rows = tuple(
            SegmentRow(name, methods["model"][MAIN], methods.get(best or "", {}).get(MAIN))
            for name, methods in segments.items()
        )
        if len(rows) > 1:
            panels.append(SegmentPanel(WAYS.get(way, way), rows))
    return panels
