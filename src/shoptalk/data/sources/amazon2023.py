"""Amazon Reviews 2023 (McAuley Lab): JSON lines, timestamps in milliseconds; a review's ``title`` is its summary."""

from shoptalk.data.engine import Engine
from shoptalk.data.sources import amazon
from shoptalk.data.sources.raw_tables import RawTables
from shoptalk.recipe import Data

RELEASE = amazon.Release(
    reviews={
        "user_id": "user_id",
        "item_id": "parent_asin",
        "timestamp": "timestamp",
        "rating": "rating",
        "verified": "verified_purchase",
        "review": "text",
        "summary": "title",
    },
    items={
        "item_id": "parent_asin",
        "title": "title",
        "brand": "store",
        "categories": "categories",
        "description": "description",
        "features": "features",
        "price": "price",
    },
    per_second=1000,
)


def read(data: Data, fields: frozenset[str], engine: Engine) -> RawTables:
    """Read reviews and products as published in 2023."""
    return amazon.read(data, fields, engine, RELEASE)
