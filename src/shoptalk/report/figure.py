"""Figures as SVG inside the page: one for a desk or paper, one for a phone."""

import base64
import io
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Distinguishable for colour-blind people (Okabe and Ito), and in grey by their lightness.
COLOURS = {"model": "#0072B2", "swapped": "#D55E00", "baseline": "#999999", "mark": "#222222", "third": "#009E73"}
#: Widths in inches: of the page's column, and of a phone, where text of 10 points is as large as the page's own.
WIDE, NARROW = 7.6, 3.7


@dataclass(frozen=True, slots=True)
class Picture:
    """The same figure for two widths, as data addresses."""

    wide: str
    narrow: str


def picture(draw: Callable[..., str], *given: Any, **more: Any) -> Picture:
    """What ``draw(..., width=...)`` makes for a desk and for a phone."""
    return Picture(draw(*given, **more, width=WIDE), draw(*given, **more, width=NARROW))


def as_svg(figure: Any) -> str:
    """A figure as a data address, the same bytes for the same figure."""
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "shoptalk"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def wrapped(words: str, width: float) -> str:
    """A label that leaves a figure of so many inches room for what it labels."""
    return textwrap.fill(words, 20 if width < WIDE else 36)
