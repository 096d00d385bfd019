"""How much better a model is expected to be than the best simple method, from learning curves of other shops.

The gap g of a model at some number n of training purchases is smoothed over the measured points i by a kernel on log n,

    mean = sum_i w_i g_i,    w_i proportional to exp(-(log n - log n_i)² / (2 h²)),    h = log 2

(E. Nadaraya, G. Watson, 1964). What the points differ from their own smoothed values, between shops and by sampling, is
the error of a prediction for another shop:

    sd² = v (1 + sum_i w_i²),    v = sum_i (g_i - mean_i)² / (N - trace)

with the trace of the smoother's matrix; intervals use Student's t with N - trace degrees of freedom. Outside of the
measured sizes nothing is predicted.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import numpy as np
from scipy.special import stdtr, stdtrit

from shoptalk.constants import CONFIDENCE
from shoptalk.evaluation.bootstrap import Floats
from shoptalk.typed_json import from_json

#: The file with the learning curves; ``benchmarks/learning_curves.py --curves`` writes it.
CURVES_FILE = "learning_curves.json"
#: Standard deviation of the kernel, in log purchases: half the usual distance of two measured sizes.
BANDWIDTH = math.log(2)
#: A shop with less weight than this is not named.
_LEAST_WEIGHT = 0.05
#: Fewest degrees of freedom of the error; with fewer points nothing is predicted.
_LEAST_FREEDOM = 2.0
Scale = Literal["difference", "ratio"]


@dataclass(frozen=True, slots=True)
class ShopPoint:
    """What was measured in one shop with one number of training users.

    Attributes
    ----------
    shop
        Its name.
    users, purchases
        Training users, and their purchases.
    tested
        Number of test users.
    accuracy, recall
        Accuracy of the exam with four options, and Recall@10 of the whole catalogue, by method.
    """

    shop: str
    users: int
    purchases: int
    tested: int
    accuracy: Mapping[str, float]
    recall: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class LearningCurves:
    """The learning curves of several shops.

    Attributes
    ----------
    source
        Where they come from.
    simple, models
        Names of the simple methods, and of the models that are compared with the best of these.
    points
        All points.
    """

    source: str
    simple: tuple[str, ...]
    models: tuple[str, ...]
    points: tuple[ShopPoint, ...]


@dataclass(frozen=True, slots=True)
class ExpectedGap:
    """A model minus the best simple method (or the log of their ratio): mean, error, and degrees of freedom."""

    mean: float
    error: float
    freedom: float
    shops: tuple[str, ...]

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of the 95 % prediction interval."""
        half = float(stdtrit(self.freedom, (1 + CONFIDENCE) / 2)) * self.error
        return self.mean - half, self.mean + half

    @property
    def probability(self) -> float:
        """Probability that the model is better."""
        return float(stdtr(self.freedom, self.mean / self.error))


@dataclass(frozen=True, slots=True)
class Gaps:
    """N measured gaps of a model: shops, purchases (N,) and gaps (N,)."""

    shops: tuple[str, ...]
    purchases: Floats
    gaps: Floats

    @property
    def range(self) -> tuple[int, int]:
        """The smallest and the largest number of purchases; zeros without points."""
        return (int(self.purchases.min()), int(self.purchases.max())) if len(self.purchases) else (0, 0)

    def at(self, purchases: int) -> ExpectedGap | None:
        """The gap expected with this number of training purchases; None outside of the range, or with few points."""
        low, high = self.range
        if not low <= purchases <= high or high == 0:
            return None
        smoother = _weights(self.purchases, self.purchases)  # (N, N)
        freedom = len(self.gaps) - float(np.trace(smoother))
        if freedom < _LEAST_FREEDOM:
            return None
        variance = float(((self.gaps - smoother @ self.gaps) ** 2).sum()) / freedom
        weights = _weights(np.array([float(purchases)]), self.purchases)[0]
        error = math.sqrt(max(variance, 1e-12) * (1 + float(weights @ weights)))
        by_shop: dict[str, float] = {}
        for shop, weight in zip(self.shops, weights.tolist(), strict=True):
            by_shop[shop] = by_shop.get(shop, 0.0) + weight
        near = tuple(shop for shop, weight in by_shop.items() if weight >= _LEAST_WEIGHT)
        return ExpectedGap(float(weights @ self.gaps), error, freedom, near)


@lru_cache(maxsize=1)
def packaged_curves() -> LearningCurves:
    """The learning curves that come with the package."""
    import json

    content = json.loads(files("shoptalk.evaluation").joinpath(CURVES_FILE).read_text(encoding="utf-8"))
    return from_json(LearningCurves, content)


def gaps_of(curves: LearningCurves, model: str, scale: Scale) -> Gaps:
    """The gaps of a model to the best simple method of the same point.

    Parameters
    ----------
    scale
        ``difference`` of accuracies, or log ``ratio`` of recalls; there a half is added to the hits, so that no recall
        is zero.
    """
    found = []
    for point in curves.points:
        values = point.accuracy if scale == "difference" else point.recall
        simple = [values[name] for name in curves.simple if name in values]
        if point.purchases > 0 and model in values and simple:
            found.append((point.shop, point.purchases, _gap(values[model], max(simple), point.tested, scale)))
    shops, purchases, gaps = zip(*found, strict=True) if found else ((), (), ())
    return Gaps(tuple(shops), np.array(purchases, dtype=np.float64), np.array(gaps, dtype=np.float64))


def _gap(model: float, simple: float, tested: int, scale: Scale) -> float:
    if scale == "difference":
        return model - simple
    return math.log((model * tested + 0.5) / (simple * tested + 0.5))


def _weights(at: Floats, purchases: Floats) -> Floats:
    """(A, N) weights of the N points at A sizes; each row sums to 1."""
    distance = (np.log(at)[:, None] - np.log(purchases)[None, :]) / BANDWIDTH
    kernel = np.exp(-(distance**2) / 2)
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True))
