"""The file formats of the generated shop: Amazon 2018, and 2023, which has other keys."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Row = dict[str, Any]
Name = Literal["2018", "2023"]


@dataclass(frozen=True)
class Format:
    """A release: its name in a recipe, its files, and functions from rows of 2018 to its rows."""

    source: str
    reviews_file: str
    items_file: str
    review: Callable[[Row], Row]
    product: Callable[[Row], Row]


def _unchanged(row: Row) -> Row:
    """A row of 2018."""
    return row


def _review_2023(row: Row) -> Row:
    """A review of 2018 with the keys of 2023."""
    return {
        "rating": row["overall"],
        "title": row["summary"],
        "text": row["reviewText"],
        "images": [],
        "asin": row["asin"],
        "parent_asin": row["asin"],
        "user_id": row["reviewerID"],
        "timestamp": row["unixReviewTime"] * 1000,
        "helpful_vote": 0,
        "verified_purchase": row["verified"],
    }


def _product_2023(row: Row) -> Row:
    """A product of 2018 with the keys of 2023."""
    return {
        "main_category": row["main_cat"],
        "title": row["title"],
        "features": row["feature"],
        "description": row["description"],
        "price": float(row["price"].removeprefix("$")),
        "images": [],
        "videos": [],
        "store": row["brand"],
        "categories": row["category"],
        "details": {},
        "parent_asin": row["asin"],
        "bought_together": None,
    }


FORMATS: dict[Name, Format] = {
    "2018": Format("amazon2018", "reviews.json.gz", "meta.json.gz", _unchanged, _unchanged),
    "2023": Format("amazon2023", "reviews.jsonl.gz", "meta.jsonl.gz", _review_2023, _product_2023),
}
