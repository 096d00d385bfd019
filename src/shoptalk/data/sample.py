"""A generated shop in a raw Amazon format, in which the preferences of all users are known.

Every user has one to three tastes: a family of products, a brand and an attribute ("Hair Care", "Fox & Fern",
"Lavender"). The first purchase follows a taste. Each later purchase is

- with probability ``complement`` the complement of the previous purchase (shampoo -> conditioner, preferably of the
  same brand and attribute);
- with probability ``popular`` drawn by popularity, which is 1 / rank;
- with probability ``repeat`` an item that the user has bought before;
- otherwise drawn from the family of one of the user's tastes, with a weight of the fourth root of its popularity, times
  ``match`` for the brand of the taste and times ``match`` for its attribute.

These numbers are a `Behaviour`. Otherwise no user buys an item twice (after several failed draws, any item is drawn). A
share of the reviews is unverified, and some are written twice. ``planted.json`` holds the tastes of each user, the
complements and the behaviour.
"""

import gzip
import html
import json
import time
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shoptalk.data.sample_formats import FORMATS, Format, Name
from shoptalk.data.sample_purchases import (
    DEFAULT_BEHAVIOUR,
    FAMILY_NAMES,
    PRODUCTS_PER_FAMILY,
    Behaviour,
    Ints,
    Products,
    Purchases,
    buy,
    draw_products,
    draw_tastes,
    random_ids,
)
from shoptalk.data.sample_words import (
    ATTRIBUTES,
    BRANDS,
    BRANDS_OF_FAMILY,
    PACKS,
    REVIEWS,
    SIZES,
    TITLES,
)
from shoptalk.errors import UsageError
from shoptalk.files import JsonObject, replacing, write_json, write_text
from shoptalk.results import SampleResult

UNVERIFIED, REPEATED = 0.05, 0.02
PLANTED_FILE = "planted.json"
#: Recipes that are written beside the data, and the packaged files that they are made from.
RECIPE_FILE, NEXT_ITEM_FILE = "recipe.toml", "next-item.toml"
RECIPES = {RECIPE_FILE: "sample.toml", NEXT_ITEM_FILE: "next-item.toml"}

_SECONDS_PER_DAY = 86_400
_START = 1_451_606_400  # 1 January 2016, in seconds


def write_sample(
    folder: Path,
    *,
    users: int = 2000,
    items: int = 600,
    seed: int = 1,
    release: Name = "2018",
    behaviour: Behaviour = DEFAULT_BEHAVIOUR,
) -> SampleResult:
    """Write reviews and products in the format of a release, ``planted.json``, and two recipes.

    ``recipe.toml`` trains on titles and evaluates with options, ``next-item.toml`` has the default settings.

    The same arguments give the same bytes; the purchases are the same in every release.

    Raises
    ------
    UsageError
        When there are not enough words for so many products.
    """
    max_items = len(FAMILY_NAMES) * PRODUCTS_PER_FAMILY * BRANDS_OF_FAMILY * len(ATTRIBUTES) * len(SIZES) * len(PACKS)
    if not (20 <= items <= max_items and users >= 1):
        raise UsageError(
            f"a shop has at least one user and 20 to {max_items:,} items", hint="choose other --users, --items"
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError("this is a file; the generated shop needs a folder", where=str(folder))
    rng = np.random.default_rng(seed)
    products = draw_products(items, rng)
    tastes, weights = draw_tastes(users, rng)
    purchases = buy(products, tastes, weights, behaviour, rng)
    user_ids = random_ids(users, 13, "A", rng)
    reviews = _reviews(products, purchases, user_ids, rng)
    file_format = FORMATS[release]
    _write_lines(folder / file_format.reviews_file, map(file_format.review, reviews))
    _write_lines(
        folder / file_format.items_file, (file_format.product(_meta(products, item, rng)) for item in range(items))
    )
    write_json(folder / PLANTED_FILE, _planted(products, user_ids, tastes, weights, behaviour, seed))
    for name, packaged in RECIPES.items():
        write_text(folder / name, _recipe(packaged, folder, file_format))
    names = (file_format.reviews_file, file_format.items_file, PLANTED_FILE, *RECIPES)
    paths = {name: str(folder / name) for name in names}
    return SampleResult(users, items, len(reviews), paths)


def _recipe(packaged: str, folder: Path, file_format: Format) -> str:
    """A packaged recipe, with the format and the path of the folder (escaped as in a TOML basic string)."""
    text = (files("shoptalk.data") / packaged).read_text(encoding="utf-8")
    for slot, value in (
        ("$source", file_format.source),
        ("$reviews", file_format.reviews_file),
        ("$items", file_format.items_file),
    ):
        text = text.replace(slot, value)
    return text.replace("$folder", json.dumps(folder.as_posix())[1:-1])


def _reviews(
    products: Products, purchases: Purchases, user_ids: list[str], rng: np.random.Generator
) -> list[JsonObject]:
    """The reviews in the format of 2018, sorted by product and date as in the published files."""
    rows = len(purchases.item)
    # Ratings are high for purchases by taste or complement, and mixed for purchases by popularity.
    content = rng.choice([5, 4, 3], size=rows, p=[0.7, 0.22, 0.08])
    mixed = rng.choice([5, 4, 3, 2, 1], size=rows, p=[0.35, 0.2, 0.15, 0.15, 0.15])
    stars = np.where(purchases.reason == 2, mixed, content)
    verified = rng.random(rows) >= UNVERIFIED
    text_variant = rng.integers(2, size=rows)
    repeated = np.flatnonzero(rng.random(rows) < REPEATED)
    row = np.concatenate([np.arange(rows), repeated])
    day = purchases.day[row] + np.concatenate([np.zeros(rows, dtype=np.int64), rng.integers(0, 30, size=len(repeated))])
    ids = np.asarray(products.ids)[purchases.item[row]]
    order = np.lexsort((row, day, ids))
    terms = [products.terms(item) for item in range(len(products.ids))]
    reviews = []
    for index, review_day in zip(row[order].tolist(), day[order].tolist(), strict=True):
        item = int(purchases.item[index])
        text = REVIEWS[int(stars[index])][text_variant[index]]
        reviews.append(
            _review(
                user_ids[purchases.user[index]],
                products.ids[item],
                terms[item],
                stars=int(stars[index]),
                text=text,
                day=review_day,
                verified=bool(verified[index]),
            )
        )
    return reviews


def _review(
    user: str,
    item: str,
    terms: dict[str, str],
    *,
    stars: int,
    text: tuple[str, str],
    day: int,
    verified: bool,
) -> JsonObject:
    """A line of the file of reviews of 2018; ``text`` is the template of the summary and that of the review."""
    summary, body = text
    seconds = _START + day * _SECONDS_PER_DAY
    lower = {name: value if name == "brand" else value.lower() for name, value in terms.items()}
    return {
        "overall": float(stars),
        "verified": verified,
        "reviewTime": time.strftime("%m %d, %Y", time.gmtime(seconds)),
        "reviewerID": user,
        "asin": item,
        "style": {"Size:": f" {terms['size']}"},
        "reviewerName": f"Customer {user[-4:]}",
        "reviewText": body.format(**lower),
        "summary": summary,
        "unixReviewTime": seconds,
    }


def _meta(products: Products, item: int, rng: np.random.Generator) -> JsonObject:
    """A line of the file of products of 2018; texts of sellers have HTML entities, as in the published files."""
    terms = products.terms(item)
    family = FAMILY_NAMES[products.family[item]]
    complement = int(products.complement[item])
    title = TITLES[products.style[item]].format(**terms)
    return {
        "category": ["Everyday Shop", family, terms["product"]],
        "description": [html.escape(f"{terms['attribute']} {terms['product'].lower()} made by {terms['brand']}.")],
        "title": html.escape(title),
        "also_buy": [products.ids[complement]] if complement >= 0 else [],
        "brand": html.escape(terms["brand"]),
        "feature": [terms["size"], terms["attribute"]],
        "main_cat": family,
        "price": f"${rng.integers(3, 60)}.{rng.choice([49, 95, 99])}",
        "asin": products.ids[item],
    }


def _planted(
    products: Products,
    user_ids: list[str],
    tastes: Ints,
    weights: NDArray[np.float64],
    behaviour: Behaviour,
    seed: int,
) -> JsonObject:
    """The content of ``planted.json``."""
    users = {
        user_id: [
            {
                "family": FAMILY_NAMES[family],
                "brand": BRANDS[(family + 2 * brand) % len(BRANDS)],
                "attribute": ATTRIBUTES[attribute],
                "share": round(share, 3),
            }
            for (family, brand, attribute), share in zip(user_tastes, shares, strict=True)
            if share
        ]
        for user_id, user_tastes, shares in zip(user_ids, tastes.tolist(), weights.tolist(), strict=True)
    }
    pairs = enumerate(products.complement.tolist())
    return {
        "seed": seed,
        "probabilities": {
            "complement": behaviour.complement,
            "popular": behaviour.popular,
            "repeat": behaviour.repeat,
            "taste": behaviour.taste,
            "match": behaviour.match,
        },
        "complements": {products.ids[item]: products.ids[complement] for item, complement in pairs if complement >= 0},
        "users": users,
    }


def _write_lines(path: Path, rows: Iterable[JsonObject]) -> None:
    """Write gzipped JSON lines; the header has no time, so that the bytes are always the same."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with replacing(path) as temporary:
        temporary.write_bytes(gzip.compress(text.encode("utf-8"), compresslevel=6, mtime=0))
