"""Amazon Review Data (2018): J. Ni, J. Li, J. McAuley, EMNLP 2019; JSON lines, timestamps in seconds."""

from shoptalk.data.engine import Engine
from shoptalk.data.sources import amazon
from shoptalk.data.sources.raw_tables import RawTables
from shoptalk.recipe import Data

RELEASE = amazon.Release(
    reviews={
        "user_id": "reviewerID",
        "item_id": "asin",
        "timestamp": "unixReviewTime",
        "rating": "overall",
        "verified": "verified",
        "review": "reviewText",
        "summary": "summary",
    },
    items={
        "item_id": "asin",
        "title": "title",
        "brand": "brand",
        "categories": "category",
        "description": "description",
        "features": "feature",
        "price": "price",
    },
)


def read(data: Data, fields: frozenset[str], engine: Engine) -> RawTables:
    """Read reviews and products as published in 2018."""
    return amazon.read(data, fields, engine, RELEASE)
