"""The points of `learning_curves.py`: what was measured of one method with one number of training users of one shop."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from shoptalk.evaluation.bootstrap import estimate
from shoptalk.evaluation.paired import compare
from shoptalk.results import Difference, Estimate

#: Values of each test user: right answers of the exam, or hits among the first ten of the catalogue.
Key = Literal["right", "hits"]


@dataclass(frozen=True)
class Point:
    """The content of the files of one method at one size, by seed; another seed has other training and test users."""

    by_seed: dict[int, dict[str, Any]]

    def values(self, key: Key, seeds: Iterable[int] | None = None) -> tuple[list[float], list[str]]:
        """The values of all seeds (or of some) and their users; empty where one of the seeds has none."""
        drawn = [self.by_seed[seed] for seed in sorted(self.by_seed if seeds is None else seeds)]
        if any(point[key] is None for point in drawn):
            return [], []
        return [x for point in drawn for x in point[key]], [user for point in drawn for user in point["test_users"]]

    def estimate(self, key: Key) -> Estimate | None:
        """The mean with its interval over users; None where it was not measured."""
        values, users = self.values(key)
        return estimate(values, users=users) if values else None

    def mean(self, key: Key) -> float:
        """The mean over the values of all seeds, NaN without any."""
        return float(np.mean(self.values(key)[0] or [np.nan]))

    def of_seeds(self, key: str) -> list[Any]:
        """What each seed has under a key."""
        return [self.by_seed[seed][key] for seed in sorted(self.by_seed)]

    def less(self, other: "Point") -> Difference:
        """The paired difference in right answers to another method, of the seeds that both have."""
        seeds = self.by_seed.keys() & other.by_seed.keys()
        (values, users), (reference, _) = self.values("right", seeds), other.values("right", seeds)
        return compare(values, reference, users=users)


#: Method -> point, of one number of training users.
Methods = dict[str, Point]
#: Number of training users -> the methods.
Points = dict[int, Methods]


def read_points(folder: Path, seeds: Sequence[int] | None = None) -> dict[str, Points]:
    """Data -> number of training users -> method -> point, of all seeds or of some."""
    found: dict[str, Points] = {}
    for file in sorted(folder.glob("*.json")):
        point = json.loads(file.read_text(encoding="utf-8"))
        if "right" in point and (seeds is None or point["seed"] in seeds):
            methods = found.setdefault(point["data"], {}).setdefault(point["users"], {})
            methods.setdefault(point["method"], Point({})).by_seed[point["seed"]] = point
    for by_size in found.values():  # TF-IDF learns nothing from users
        for methods in by_size.values():
            if "tfidf" not in methods and 0 in by_size and "tfidf" in by_size[0]:
                methods["tfidf"] = by_size[0]["tfidf"]
    return found
