"""Rendering of the templates, and their number formats."""

import math
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from shoptalk.report.error_analysis import option_rows, step_figure
from shoptalk.report.names import column_label, metric_label, span


def render(template: str, **values: Any) -> str:
    """A page as text. Values are escaped; a missing value is an error."""
    pages = Environment(
        loader=PackageLoader("shoptalk.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {
        "number": number,
        "span": span,
        "metric": column_label,
        "metric_name": metric_label,
        "amount": amount,
        "duration": duration,
        "option_rows": option_rows,
        "step_figure": step_figure,
        "known": _known,
    }
    return pages.get_template(template).render(**values)


def number(value: float | None, digits: int = 4) -> str:
    """A number with fixed digits; ``n/a`` for None and NaN."""
    return "n/a" if value is None or math.isnan(value) else f"{value:z.{digits}f}"


def amount(value: float | None) -> str:
    """A number with four significant digits."""
    if value is None or math.isnan(value):
        return "n/a"
    return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


def duration(seconds: float | None) -> str:
    """A formatted duration: ``0.83 s``, ``95 s``, ``35 min 4 s``, ``2 h 3 min``."""
    if seconds is None:
        return "n/a"
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"


def _known(value: float | None) -> bool:
    """Whether the value is neither None nor NaN."""
    return value is not None and not math.isnan(value)
