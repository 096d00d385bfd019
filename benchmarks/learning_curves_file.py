"""The learning curves that come with the package, from the points of `learning_curves.py`: see `shoptalk choose`."""

from pathlib import Path

from learning_curves_points import Methods, Points, read_points
from shoptalk.evaluation.expected_gap import LearningCurves, ShopPoint
from shoptalk.files import write_json
from shoptalk.typed_json import as_json

#: The methods that `shoptalk choose` learns itself, and the models that it predicts.
SIMPLE = ("popularity", "tfidf", "cooccurrence", "transitions")
MODELS = ("item tokens", "nano", "SmolLM2")
#: The draw of users whose means come with the package.
SEED = 1
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


def _point(shop: str, users: int, methods: Methods) -> ShopPoint:
    """One shop with one number of training users; a size without purchases has only untrained methods."""
    return ShopPoint(
        shop=shop,
        users=users,
        purchases=max(max(point.of_seeds("purchases")) for point in methods.values()),
        tested=min(len(point.values("right")[0]) for point in methods.values()),
        accuracy={name: point.mean("right") for name, point in methods.items()},
        recall={name: point.mean("hits") for name, point in methods.items() if point.values("hits")[0]},
    )


def write_curves(folder: Path, file: Path) -> None:
    """Write the curves of the points in a folder: of one seed, so that all methods have the same test users."""
    write_json(file, as_json(curves_of(read_points(folder, seeds=(SEED,)))))
