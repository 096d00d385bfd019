"""The diagram ``docs/architecture.svg``: the flow of data, and the layers as ``pyproject.toml`` states them."""

import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Width of the drawing, and of its margins, in pixels.
WIDTH, MARGIN = 640, 15
BOX_WIDTH, BOX_HEIGHT = 132, 42
COLUMNS, ROWS = (15, 254, 493), (56, 140, 224, 308)
LAYERS_TOP, LAYER_HEIGHT, LINE_HEIGHT = 420, 26, 17
#: Longest line of module names in a layer, in characters.
LINE_LENGTH = 74

#: Boxes of the flow: text, column, row and whether it is a file or folder.
BOXES = (
    ("raw files", 0, 0, True),
    ("dataset folder", 1, 0, True),
    ("prompts, answers", 2, 0, False),
    ("baselines", 1, 1, False),
    ("trained model", 2, 1, False),
    ("Recommender", 1, 2, False),
    ("recommendations", 2, 2, False),
    ("typed results", 1, 3, False),
    ("report.html", 2, 3, True),
)
#: Arrows of the flow: points of the line, label, and where the label's middle is.
ARROWS = (
    (((147, 77), (254, 77)), "data", (200, 69)),
    (((386, 77), (493, 77)), "tasks, prompts", (440, 69)),
    (((320, 98), (320, 140)), "baselines", (356, 124)),
    (((559, 98), (559, 140)), "training", (590, 124)),
    (((320, 182), (320, 224)), "", (0, 0)),
    (((493, 172), (386, 232)), "recommend", (482, 212)),
    (((386, 245), (493, 245)), "recommend", (440, 262)),
    (((320, 266), (320, 308)), "evaluation", (358, 292)),
    (((254, 90), (205, 90), (205, 329), (254, 329)), "audit", (184, 214)),
    (((386, 329), (493, 329)), "report", (440, 321)),
)
STYLE = (
    "text{font-family:Helvetica,Arial,sans-serif;font-size:14px;fill:#1a1a1a}"
    ".title{font-weight:bold;font-size:15px}.label{font-size:12.5px;fill:#444}"
    ".layer{font-family:Menlo,Consolas,monospace;font-size:13px}"
    "rect.step{fill:#e8eaf6;stroke:#3f51b5}rect.files{fill:#fff8e1;stroke:#b28704}"
    "rect.layer{fill:#f4f4f6;stroke:#9a9aa5}polyline{fill:none;stroke:#444;stroke-width:1.4}"
)


def layers() -> list[str]:
    """The layers of the import contract, from the top, as ``pyproject.toml`` states them without ``shoptalk.``."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    contract = next(contract for contract in contracts if contract["type"] == "layers")
    return [layer.replace("shoptalk.", "") for layer in contract["layers"]]


def architecture_svg() -> str:
    """The drawing as SVG, with the text of every layer in it."""
    rows = [_wrapped(layer) for layer in layers()]
    height = LAYERS_TOP + sum(_row_height(lines) + 4 for lines in rows) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>The flow of data, and the layers of modules</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0L10 5L0 10z" fill="#444"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#fff"/>',
        f'<text class="title" x="{MARGIN}" y="32">Flow: files and objects, and the packages between them</text>',
        *_flow(),
        f'<text class="title" x="{MARGIN}" y="{LAYERS_TOP - 34}">Layers</text>',
        f'<text class="label" x="{MARGIN}" y="{LAYERS_TOP - 14}">'
        "A module imports from the rows below its own; modules separated by | do not import each other.</text>",
        *_layers(rows),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _flow() -> Iterator[str]:
    for text, column, row, is_file in BOXES:
        x, y = COLUMNS[column], ROWS[row]
        kind = "files" if is_file else "step"
        yield f'<rect class="{kind}" x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="5"/>'
        yield f'<text x="{x + BOX_WIDTH // 2}" y="{y + 26}" text-anchor="middle">{escape(text)}</text>'
    for points, label, (x, y) in ARROWS:
        line = " ".join(f"{px},{py}" for px, py in points)
        yield f'<polyline points="{line}" marker-end="url(#head)"/>'
        if label:
            yield f'<text class="label" x="{x}" y="{y}" text-anchor="middle">{escape(label)}</text>'


def _layers(rows: list[list[str]]) -> Iterator[str]:
    y = LAYERS_TOP
    for lines in rows:
        height = _row_height(lines)
        yield f'<rect class="layer" x="{MARGIN}" y="{y}" width="{WIDTH - 2 * MARGIN}" height="{height}" rx="3"/>'
        for index, line in enumerate(lines):
            yield (
                f'<text class="layer" x="{WIDTH // 2}" y="{y + 18 + index * LINE_HEIGHT}" '
                f'text-anchor="middle">{escape(line)}</text>'
            )
        y += height + 4


def _row_height(lines: list[str]) -> int:
    return LAYER_HEIGHT + (len(lines) - 1) * LINE_HEIGHT


def _wrapped(layer: str) -> list[str]:
    """The names of a layer in lines of at most `LINE_LENGTH` characters."""
    lines = [""]
    for name in layer.split(" | "):
        joined = f"{lines[-1]} | {name}" if lines[-1] else name
        if len(joined) > LINE_LENGTH:
            lines[-1] += " |"
            lines.append(name)
        else:
            lines[-1] = joined
    return lines
