"""Draws the accuracies of runs side by side, as in the README.

python benchmarks/picture.py runs/beauty-options-as-published runs/beauty-options --out docs/beauty.png
"""

import argparse
from pathlib import Path

from matplotlib.figure import Figure

from shoptalk.report.bars import fill_axes
from shoptalk.report.rankings import accuracy_bars
from shoptalk.results import read_evaluation
from shoptalk.runs import open_run


def main() -> None:
    """Draw one panel for each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    figure = Figure(figsize=(5.6 * len(arguments.runs), 3.4), layout="constrained")
    for index, folder in enumerate(arguments.runs):
        result = read_evaluation(folder)
        if result is None:
            parser.error(f"{folder} is not evaluated: shoptalk evaluate {folder}")
        axes = figure.add_subplot(1, len(arguments.runs), index + 1)
        fill_axes(axes, accuracy_bars(result))
        axes.set_xlim(0, 1.12)
        axes.set_title(open_run(folder).recipe.name)
        if index:
            axes.set_yticklabels([])
    figure.savefig(arguments.out, dpi=110)


if __name__ == "__main__":
    main()
