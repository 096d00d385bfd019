"""The simulated shop, small: the verdict on two arms, and on a run against itself."""

from pathlib import Path

import pytest

from shoptalk.schema import Item
from tests.benchmarks.conftest import Load


def test_the_rule_by_hand(load: Load) -> None:
    benchmark = load("simulated_shop")
    tastes = [
        {"family": "Hair Care", "brand": "Fox", "attribute": "Rose", "share": 0.6},
        {"family": "Tea", "brand": "Oak", "attribute": "Mint", "share": 0.4},
    ]
    for item, expected in (
        (Item("1", "Rose shampoo", brand="Fox", categories=("Shop", "Hair Care")), 0.5),
        (Item("2", "Mint shampoo", brand="Fox", categories=("Shop", "Hair Care")), 0.3),
        (Item("3", "Mint tea", brand="Fox", categories=("Shop", "Tea")), 0.3),
        (Item("4", "Rose cream", brand="Fox", categories=("Shop", "Skin Care")), 0.005),
    ):
        assert benchmark.click_probability(tastes, item) == pytest.approx(expected)


@pytest.mark.slow
def test_verdicts(load: Load, service_shop: Path, tmp_path: Path) -> None:
    benchmark = load("simulated_shop")
    customers = benchmark.known_customers(service_shop, 640)
    one = benchmark.model_against_popularity(service_shop, tmp_path, customers)
    if not one["right"]:  # customers are assigned by a secret: one assignment in about fifty decides nothing
        (tmp_path / "again").mkdir()
        one = benchmark.model_against_popularity(service_shop, tmp_path / "again", customers)
    assert one["right"], one
    two = benchmark.same_against_same(service_shop, tmp_path, customers, tests=20, hours=12)
    assert two["looks"] > 200
    assert two["different"] <= 3, two  # of 20 with 5 % each, more have a probability of 1.6 %
