"""Amazon reviews to 2014 (R. He, J. McAuley, WWW 2016): JSON lines or, in older files, Python literals."""

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
        "review": "reviewText",
        "summary": "summary",
    },
    items={
        "item_id": "asin",
        "title": "title",
        "brand": "brand",
        "categories": "categories",
        "description": "description",
        "price": "price",
    },
)


def read(data: Data, fields: frozenset[str], engine: Engine) -> RawTables:
    """Read reviews and products as published in 2014, with the categories of all paths in one list."""
    return amazon.read(data, fields, engine, RELEASE)
