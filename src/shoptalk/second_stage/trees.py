"""Boosted trees evaluated in NumPy, from LightGBM's text format.

Ranking then needs no LightGBM, whose import takes longer than answering one question, and a damaged file never reaches
a parser in C++. The method is that of C. Lucchese et al., "QuickScorer: a fast algorithm to rank documents with
additive ensembles of regression trees", SIGIR 2015: a bit of a tree's mask stands for one of its leaves; each condition
that is false clears the leaves below its "true" side, and the first leaf that remains is the one that is reached.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoptalk.graph.interactions import Floats, Ints

#: Leaves that a mask can hold.
MOST_LEAVES = 64
#: Numbers of candidates times trees that are held at once.
BLOCK = 2_000_000
#: `decision_type` of a numerical condition without missing values, whose default side is left or right.
NUMERICAL = {"0", "2"}
FULL = np.uint64(2**64 - 1)


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
    """

    feature: Ints
    threshold: NDArray[np.float64]
    left: Ints
    right: Ints
    values: NDArray[np.float64]

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
        self._tables = {feature: _Table.of(entries, len(trees)) for feature, entries in sorted(conditions.items())}

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

    def _predict(self, features: Floats) -> NDArray[np.float64]:
        masks = np.full((len(features), self.trees), FULL)
        for feature, table in self._tables.items():
            masks &= table.masks[np.searchsorted(table.thresholds, features[:, feature], side="left")]
        leaf = np.bitwise_count((masks & (~masks + np.uint64(1))) - np.uint64(1))  # zeros below the lowest bit
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
    masks: NDArray[np.uint64]

    @classmethod
    def of(cls, conditions: list[tuple[float, int, int]], trees: int) -> "_Table":
        """From thresholds, trees and the leaves that a false condition clears."""
        conditions = sorted(conditions)
        masks = np.full((len(conditions) + 1, trees), FULL)
        for number, (_, tree, cleared) in enumerate(conditions):
            masks[number + 1] = masks[number]
            masks[number + 1, tree] &= FULL ^ np.uint64(cleared)
        return cls(_rounded_down(np.array([threshold for threshold, _, _ in conditions])), masks)


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
    )
    sizes = {len(tree.threshold), len(tree.left), len(tree.right), len(conditions), len(values) - 1}
    if sizes != {len(conditions)}:
        raise ValueError("a tree has lists of different lengths")
    for child in (tree.left, tree.right):
        if ((child >= len(conditions)) | (child < -len(values))).any():
            raise ValueError("a tree leads to a condition that it does not have")
    return tree
