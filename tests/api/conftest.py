"""Purchases of a small shop as tables, and a model of them, made once."""

import pandas as pd
import pytest

import shoptalk

USERS, ITEMS = 40, 12
#: The smallest model that item tokens can have.
SMALL = {"width": 32, "layers": 1, "epochs": 1, "vocabulary": 300, "dimensions": 4, "precision": "fp32"}
#: Evaluations that end soon.
FAST = {"resamples": 100, "baselines": ("popularity", "item_knn"), "progress": False}


@pytest.fixture(scope="session")
def purchases() -> pd.DataFrame:
    """User u of 40 bought the items u, u + 1, ... u + 5 of 12, one a day."""
    rows = [
        (f"u{user}", f"i{(user + step) % ITEMS}", pd.Timestamp(2020, 1, 1 + step))
        for user in range(USERS)
        for step in range(6)
    ]
    return pd.DataFrame(rows, columns=["customer", "item_id", "timestamp"])


@pytest.fixture(scope="session")
def items() -> pd.DataFrame:
    words = ["rose", "mint", "oak"]
    titles = [f"{words[number % 3]} soap {number}" for number in range(ITEMS)]
    prices = [float(number) for number in range(ITEMS)]
    return pd.DataFrame({"item_id": [f"i{number}" for number in range(ITEMS)], "title": titles, "price": prices})


@pytest.fixture(scope="session")
def data(purchases: pd.DataFrame, items: pd.DataFrame) -> shoptalk.Dataset:
    columns = {"user_id": "customer"}
    return shoptalk.prepare(interactions=purchases, items=items, columns=columns, keep=["price"], progress=False)


@pytest.fixture(scope="session")
def model(data: shoptalk.Dataset) -> shoptalk.Model:
    return shoptalk.fit(data, progress=False, **SMALL)
