"""Boosted trees evaluated in NumPy, from LightGBM's text format.

Ranking then needs no LightGBM, whose import takes longer than answering one question, and a damaged file never reaches
a parser in C++. The method is that of C. Lucchese et al., "QuickScorer: a fast algorithm to rank documents with
additive ensembles of regression trees", SIGIR 2015: a bit of a tree's mask stands for one of its leaves; each condition
that is false clears the leaves below its "true" side, and the first leaf that remains is the one that is reached.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoptalk.graph.interactions import Floats, Ints

#: Leaves that a mask can hold.
MOST_LEAVES = 64
#: Masks that are held at once: as many as fit into a processor's cache.
BLOCK = 50_000
#: `decision_type` of a numerical condition without missing values, whose default side is left or right.
NUMERICAL = {"0", "2"}

#: For each feature on the way to a leaf, the interval (low, high] that leads there, and the share of the training
#: candidates at its conditions that are in it.
Conditions = dict[int, tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree of N conditions and N + 1 leaves.

    Attributes
    ----------
    feature, threshold
        (N,) a condition is true where ``features[feature] <= threshold``.
    left, right
        (N,) the condition that follows where it is true, and where it is false; -1 - n for leaf n.
    values
        (N + 1,) of the leaves.
    counts, leaf_counts
        (N,) and (N + 1,) training candidates that reached each condition, and each leaf.
    """

    feature: Ints
    threshold: NDArray[np.float64]
    left: Ints
    right: Ints
    values: NDArray[np.float64]
    counts: NDArray[np.float64]
    leaf_counts: NDArray[np.float64]

    def order(self) -> tuple[list[int], list[tuple[int, int]]]:
        """The leaves from left to right, and for each condition the range of leaves below its "true" side.

        Raises
        ------
        ValueError
            When the conditions and leaves are not one tree.
        """
        leaves: list[int] = []
        ranges = [(0, 0)] * len(self.feature)
        visited = set()
        stack: list[tuple[int, int]] = [(0 if len(self.feature) else -1, -1)]  # a node, and a condition to be closed
        while stack:
            node, closing = stack.pop()
            if closing >= 0:  # everything below its "true" side has been visited
                ranges[closing] = (ranges[closing][0], len(leaves))
                stack.append((int(self.right[closing]), -1))
            elif node < 0:
                leaves.append(-1 - node)
            else:
                if node in visited:
                    raise ValueError("its conditions are no tree")
                visited.add(node)
                ranges[node] = (len(leaves), 0)
                stack += [(0, node), (int(self.left[node]), -1)]
        if sorted(leaves) != list(range(len(self.values))) or len(visited) != len(self.feature):
            raise ValueError("its conditions are no tree")
        return leaves, ranges

    def paths(self) -> list[tuple[float, Conditions]]:
        """The value of each leaf, and what leads to it."""
        paths: list[tuple[float, Conditions]] = []
        stack: list[tuple[int, Conditions]] = [(0 if len(self.feature) else -1, {})]
        while stack:
            node, path = stack.pop()
            if node < 0:
                paths.append((float(self.values[-1 - node]), path))
                continue
            feature, threshold = int(self.feature[node]), float(self.threshold[node])
            low, high, share = path.get(feature, (-np.inf, np.inf, 1.0))
            for child, bounds in (
                (int(self.left[node]), (low, min(high, threshold))),
                (int(self.right[node]), (max(low, threshold), high)),
            ):
                count = self.leaf_counts[-1 - child] if child < 0 else self.counts[child]
                stack.append((child, {**path, feature: (*bounds, share * count / self.counts[node])}))
        return paths


class TreeEnsemble:
    """The sum of T trees.

    Parameters
    ----------
    trees
        With at most 64 leaves each.
    features
        How many features a candidate has, F.

    Raises
    ------
    ValueError
        When the trees do not fit that.
    """

    def __init__(self, trees: list[Tree], features: int) -> None:
        self.trees, self.features = len(trees), features
        self._all_trees = trees
        most = max((len(tree.values) for tree in trees), default=1)
        if most > MOST_LEAVES:
            raise ValueError(f"a tree has {most} leaves; at most {MOST_LEAVES} are supported")
        self._values = np.zeros((len(trees), most))  # (T, leaves from left to right)
        conditions: dict[int, list[tuple[float, int, int]]] = {}  # threshold, tree, leaves cleared; by feature
        for number, tree in enumerate(trees):
            leaves, ranges = tree.order()
            self._values[number, : len(leaves)] = tree.values[leaves]
            for feature, threshold, (begin, end) in zip(tree.feature, tree.threshold, ranges, strict=True):
                if not 0 <= feature < features:
                    raise ValueError(f"a tree asks for feature {feature} of {features}")
                cleared = ((1 << (end - begin)) - 1) << begin
                conditions.setdefault(int(feature), []).append((float(threshold), number, cleared))
        self._full = np.array(-1).astype(np.uint32 if most <= 32 else np.uint64)  # a mask of all leaves
        self._tables = {
            feature: _Table.of(entries, len(trees), self._full) for feature, entries in sorted(conditions.items())
        }

    @classmethod
    def of_text(cls, text: str) -> "TreeEnsemble":
        """Read LightGBM's text format.

        Raises
        ------
        ValueError
            When it is damaged, or has conditions other than numerical ones.
        """
        header, *blocks = text.split("\nTree=")
        entries = _entries(header)
        if not header.startswith("tree\n") or "max_feature_idx" not in entries:
            raise ValueError("not a model in LightGBM's text format")
        trees = [_tree(_entries(block.split("\n\n")[0])) for block in blocks]
        if not trees:
            raise ValueError("a model without trees")
        return cls(trees, int(entries["max_feature_idx"]) + 1)

    def predict(self, features: Floats) -> NDArray[np.float64]:
        """The sums (P,) of the trees' values for features (P, F) without missing values."""
        result = np.empty(len(features))
        size = max(1, BLOCK // max(1, self.trees))
        for start in range(0, len(features), size):
            result[start : start + size] = self._predict(np.asarray(features[start : start + size], dtype=np.float32))
        return result

    def contributions(self, features: Floats) -> NDArray[np.float64]:
        """SHAP values (P, F) of a few candidates: the path-dependent ones, as LightGBM computes them.

        S. Lundberg, G. Erion, S. Lee, "Consistent individualized feature attribution for tree ensembles", 2018. The
        Shapley weights are an integral over [0, 1] of a polynomial in the share of features that are
        known, for which Gauss-Legendre quadrature is exact.
        """
        leaves = self._leaves
        result = np.zeros((len(features), self.features))
        for row, values in enumerate(np.asarray(features, dtype=np.float64)):
            given = values[leaves.feature]  # (L, M)
            inside = ((given > leaves.low) & (given <= leaves.high)).astype(np.float64)
            weight = np.zeros_like(inside)
            for point, size in zip(*leaves.quadrature, strict=True):
                factors = point * inside + (1 - point) * leaves.share
                weight += size * factors.prod(axis=1, keepdims=True) / factors
            parts = leaves.value[:, None] * (inside - leaves.share) * weight
            result[row] = np.bincount(leaves.feature.ravel(), weights=parts.ravel(), minlength=self.features)
        return result

    @cached_property
    def _leaves(self) -> "_Leaves":
        return _Leaves.of([path for tree in self._all_trees for path in tree.paths()])

    def _predict(self, features: Floats) -> NDArray[np.float64]:
        masks = np.full((len(features), self.trees), self._full)
        for feature, table in self._tables.items():
            masks &= table.masks[np.searchsorted(table.thresholds, features[:, feature], side="left")]
        leaf = np.bitwise_count(~masks & (masks - 1))  # zeros below the lowest bit
        return np.asarray(self._values[np.arange(self.trees), leaf].sum(axis=1))


@dataclass(frozen=True, slots=True)
class _Table:
    """All conditions on one feature.

    Attributes
    ----------
    thresholds
        (N,) ascending.
    masks
        (N + 1, T) the leaves that remain where the first n conditions are false.
    """

    thresholds: Floats
    masks: NDArray[np.unsignedinteger]

    @classmethod
    def of(cls, conditions: list[tuple[float, int, int]], trees: int, full: Any) -> "_Table":
        """From thresholds, trees, the leaves that a false condition clears, and a mask of all leaves."""
        conditions = sorted(conditions)
        masks = np.full((len(conditions) + 1, trees), full)
        for number, (_, tree, cleared) in enumerate(conditions):
            masks[number + 1] = masks[number]
            masks[number + 1, tree] &= full ^ full.dtype.type(cleared)
        return cls(_rounded_down(np.array([threshold for threshold, _, _ in conditions])), masks)


@dataclass(frozen=True, slots=True)
class _Leaves:
    """All L leaves of an ensemble with the at most M features on the way to each; padding holds for any candidate.

    Attributes
    ----------
    value
        (L,).
    feature, low, high, share
        (L, M) see `Conditions`.
    quadrature
        Points and weights of Gauss-Legendre quadrature on [0, 1], exact for polynomials of degree M - 1.
    """

    value: NDArray[np.float64]
    feature: Ints
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    share: NDArray[np.float64]
    quadrature: tuple[NDArray[np.float64], NDArray[np.float64]]

    @classmethod
    def of(cls, paths: list[tuple[float, Conditions]]) -> "_Leaves":
        """From values and conditions."""
        most = max(1, *(len(conditions) for _, conditions in paths), 1)
        feature = np.zeros((len(paths), most), dtype=np.int64)
        bounds = np.empty((3, len(paths), most))
        bounds[0], bounds[1], bounds[2] = -np.inf, np.inf, 1.0
        for number, (_, conditions) in enumerate(paths):
            feature[number, : len(conditions)] = list(conditions)
            bounds[:, number, : len(conditions)] = np.array(list(conditions.values())).reshape(-1, 3).T
        points, weights = np.polynomial.legendre.leggauss((most + 1) // 2)
        value = np.array([value for value, _ in paths])
        low, high, share = bounds
        return cls(value, feature, low, high, share, ((points + 1) / 2, weights / 2))


def _rounded_down(values: NDArray[np.float64]) -> Floats:
    """The largest float32 that are at most the values: a float32 is at most one where it is at most the other."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    return np.where(rounded > values, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _entries(block: str) -> dict[str, str]:
    """Lines of ``name=value``."""
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _tree(entries: dict[str, str]) -> Tree:
    def numbers(name: str, kind: type[Any]) -> NDArray[Any]:
        values = np.array(entries.get(name, "").split(), dtype=kind)
        if not np.isfinite(values).all():
            raise ValueError(f"a number of {name} is not finite")
        return values

    conditions, values = numbers("split_feature", np.int64), numbers("leaf_value", np.float64)
    if set(entries.get("decision_type", "").split()) - NUMERICAL or entries.get("is_linear", "0") != "0":
        raise ValueError("a tree has conditions that are not numerical, or linear leaves")
    tree = Tree(
        conditions,
        numbers("threshold", np.float64),
        numbers("left_child", np.int64),
        numbers("right_child", np.int64),
        values,
        numbers("internal_count", np.float64),
        numbers("leaf_count", np.float64) if len(conditions) else np.ones(1),
    )
    per_condition = (tree.threshold, tree.left, tree.right, tree.counts, values[1:], tree.leaf_counts[1:])
    sizes = {len(entries) for entries in (conditions, *per_condition)}
    if sizes != {len(conditions)}:
        raise ValueError("a tree has lists of different lengths")
    for child in (tree.left, tree.right):
        if ((child >= len(conditions)) | (child < -len(values))).any():
            raise ValueError("a tree leads to a condition that it does not have")
    if min(*tree.counts, *tree.leaf_counts, 1) <= 0:
        raise ValueError("a tree has counts that are not positive")
    return tree
