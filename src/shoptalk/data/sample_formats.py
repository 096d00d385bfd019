"""How the two releases write the generated shop: a line of 2023 is one of 2018 with other keys."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Row = dict[str, Any]
Name = Literal["2018", "2023"]


@dataclass(frozen=True)
class Format:
    """A release: what a recipe calls it, its files, and how it writes a review and a product of 2018."""

    source: str
    reviews_file: str
    items_file: str
    review: Callable[[Row], Row]
    product: Callable[[Row], Row]


def _as_it_is(row: Row) -> Row:
    return row


def _review(row: Row) -> Row:
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


def _product(row: Row) -> Row:
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
    "2018": Format("amazon2018", "reviews.json.gz", "meta.json.gz", _as_it_is, _as_it_is),
    "2023": Format("amazon2023", "reviews.jsonl.gz", "meta.jsonl.gz", _review, _product),
}
