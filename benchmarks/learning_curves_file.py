"""The learning curves that come with the package, from the points of `learning_curves.py`: see `shoptalk choose`."""

from pathlib import Path
from typing import Any

import numpy as np

from learning_curves_page import Points, read_points
from shoptalk.evaluation.expected_gap import LearningCurves, ShopPoint
from shoptalk.files import write_json
from shoptalk.typed_json import as_json

#: The methods that `shoptalk choose` learns itself, and the models that it predicts.
SIMPLE = ("popularity", "tfidf", "cooccurrence", "transitions")
MODELS = ("item tokens", "nano", "SmolLM2")
#: The page of the same points.
SOURCE = "docs/notes/learning-curves.md"


def curves_of(points: dict[str, Points]) -> LearningCurves:
    """The means over test users of every method at every size."""
    return LearningCurves(
        SOURCE,
        SIMPLE,
        MODELS,
        tuple(_point(shop, users, row) for shop, by_size in points.items() for users, row in sorted(by_size.items())),
    )


def _point(shop: str, users: int, methods: dict[str, dict[str, Any]]) -> ShopPoint:
    """One shop with one number of training users; a size without purchases has only untrained methods."""
    return ShopPoint(
        shop=shop,
        users=users,
        purchases=max(point["purchases"] for point in methods.values()),
        tested=min(len(point["right"]) for point in methods.values()),
        accuracy={name: float(np.mean(point["right"])) for name, point in methods.items()},
        recall={name: float(np.mean(point["hits"])) for name, point in methods.items() if point["hits"] is not None},
    )


def write_curves(folder: Path, file: Path) -> None:
    """Write the curves of the points in a folder."""
    write_json(file, as_json(curves_of(read_points(folder))))
