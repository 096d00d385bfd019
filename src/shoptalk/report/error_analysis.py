"""Views of the error analysis: error types with examples, word bias, shortened histories."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from shoptalk.report.bars import Bar, draw_bars
from shoptalk.report.figure import Picture, picture
from shoptalk.results import ErrorAnalysis, ErrorExample, ErrorGroup, EvaluationResult, ShortenedStep

#: Smaller shares would be shown as 0.000.
SHOWN = 0.0005


@dataclass(frozen=True, slots=True)
class OptionRow:
    """One option of an example; ``score`` is NaN where there is none."""

    title: str
    score: float
    right: bool
    chosen: bool


@dataclass(frozen=True, slots=True)
class ErrorView:
    """An error analysis as the page shows it: groups by decreasing size, and the titles of empty groups."""

    analysis: ErrorAnalysis
    groups: tuple[ErrorGroup, ...]
    empty: tuple[str, ...]
    bars: Picture | None


def error_sections(result: EvaluationResult) -> list[ErrorView]:
    """Every error analysis of a run."""
    return [_view(analysis) for analysis in result.analyses]


def error_bars(groups: Sequence[ErrorGroup]) -> list[Bar]:
    """Each group's share of the wrong answers; grey if not significantly above chance."""
    return [Bar(group.title, "model" if group.clear else "baseline", group.share, group.reference) for group in groups]


def option_rows(example: ErrorExample) -> list[OptionRow]:
    """The options of an example, marked as right and chosen."""
    return [
        OptionRow(
            title=title,
            score=example.scores[index] if index < len(example.scores) else math.nan,
            right=index == example.answer,
            chosen=index == example.chosen,
        )
        for index, title in enumerate(example.options)
    ]


def step_figure(step: ShortenedStep) -> str:
    """The probability or the rank of the correct item in a step."""
    if step.probability is not None:
        return f"{step.probability:.3f}"
    return "not listed" if step.rank is None else f"rank {step.rank}"


def _view(analysis: ErrorAnalysis) -> ErrorView:
    ordered = sorted(analysis.groups, key=lambda group: -_size(group))
    groups = tuple(group for group in ordered if _size(group) >= SHOWN)
    bars = picture(draw_bars, error_bars(groups), "share of wrong answers", 3, unit="") if groups else None
    return ErrorView(analysis, groups, tuple(group.title for group in ordered if _size(group) < SHOWN), bars)


def _size(group: ErrorGroup) -> float:
    return 0.0 if math.isnan(group.value) else group.value
