"""What other shops' learning curves let expect of a model."""

import math

import numpy as np
import pytest

from shoptalk.evaluation.expected_gap import Gaps, LearningCurves, ShopPoint, gaps_of, packaged_curves


def gaps(purchases: list[float], values: list[float], shops: tuple[str, ...] | None = None) -> Gaps:
    return Gaps(shops or ("a",) * len(values), np.array(purchases), np.array(values))


SIZES = [100.0, 200.0, 400.0, 800.0, 1600.0, 3200.0]


def test_outside_of_the_measured_sizes_nothing_is_expected() -> None:
    known = gaps(SIZES, [0.1, 0.12, 0.1, 0.12, 0.1, 0.12])
    assert known.range == (100, 3200)
    assert known.at(99) is None
    assert known.at(3201) is None
    found = known.at(400)
    assert found is not None
    assert found.mean == pytest.approx(0.11, abs=0.01)
    assert found.interval[0] < 0.1 < 0.12 < found.interval[1]
    assert found.probability > 0.99


def test_points_of_the_size_count_most() -> None:
    found = [gaps(SIZES, [-0.1, -0.1, -0.1, 0.1, 0.1, 0.1]).at(n) for n in (100, 3200)]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].mean < -0.08
    assert found[1].mean > 0.08
    assert found[0].probability == pytest.approx(1 - found[1].probability)


def test_shops_that_differ_widen_the_interval() -> None:
    sizes, shops = [100.0, 100.0, 1000.0, 1000.0, 10_000.0, 10_000.0], ("a", "b") * 3
    same = gaps(sizes, [0.1, 0.11] * 3, shops).at(1000)
    different = gaps(sizes, [-0.1, 0.31] * 3, shops).at(1000)
    assert same is not None
    assert different is not None
    assert same.mean == pytest.approx(different.mean)
    assert same.probability > 0.99 > 0.9 > different.probability
    assert same.shops == ("a", "b")


def test_two_points_are_too_few() -> None:
    assert gaps([100.0, 1000.0], [0.1, 0.1]).at(300) is None


def test_gaps_are_those_to_the_best_simple_method() -> None:
    point = ShopPoint("a", 64, 500, 100, {"one": 0.4, "two": 0.5, "big": 0.6}, {"one": 0.2, "two": 0.1, "big": 0.1})
    curves = LearningCurves(
        "here", ("one", "two"), ("big", "other"), (point, ShopPoint("a", 0, 0, 100, {"big": 0.9}, {}))
    )
    assert gaps_of(curves, "big", "difference").gaps.tolist() == pytest.approx([0.6 - 0.5])
    assert gaps_of(curves, "big", "ratio").gaps.tolist() == pytest.approx([math.log((10 + 0.5) / (20 + 0.5))])
    assert gaps_of(curves, "other", "ratio").range == (0, 0)


def test_the_packaged_curves_have_the_models_and_are_in_range() -> None:
    curves = packaged_curves()
    assert {"item tokens", "SmolLM2"} <= set(curves.models)
    assert len({point.shop for point in curves.points}) >= 3
    for point in curves.points:
        assert all(0 <= value <= 1 for value in (*point.accuracy.values(), *point.recall.values()))
    assert gaps_of(curves, "item tokens", "difference").at(1_500) is not None
