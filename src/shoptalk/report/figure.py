"""Figures as SVG data URIs: a wide version for desktop and print, a narrow one for phones."""

import base64
import io
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Distinguishable for colour-blind people (Okabe and Ito), and in greyscale.
COLOURS = {"model": "#0072B2", "swapped": "#D55E00", "baseline": "#999999", "mark": "#222222", "third": "#009E73"}
#: Widths in inches: of the page's column, and of a phone (where text of 10 points has the size of the body text).
WIDE, NARROW = 7.6, 3.7


@dataclass(frozen=True, slots=True)
class Picture:
    """The same figure in two widths, as data URIs."""

    wide: str
    narrow: str


def picture(draw: Callable[..., str], *arguments: Any, **options: Any) -> Picture:
    """``draw(..., width=...)`` for both widths."""
    return Picture(draw(*arguments, **options, width=WIDE), draw(*arguments, **options, width=NARROW))


def as_svg(figure: Any) -> str:
    """A figure as a data URI; equal figures give equal bytes.

    ``Figure.savefig`` gives the same bytes, but draws the figure twice: its first pass only computes the layout.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "shoptalk"}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def wrap_label(label: str, width: float) -> str:
    """A label wrapped for a figure of this width in inches."""
    return textwrap.fill(label, 20 if width < WIDE else 36)
