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
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shoptalk.data.sample_formats import FORMATS, Format, Name
from shoptalk.data.sample_words import (
    ATTRIBUTES,
    BRANDS,
    BRANDS_OF_FAMILY,
    FAMILIES,
    PACKS,
    REVIEWS,
    SIZES,
    TITLES,
)
from shoptalk.errors import UsageError
from shoptalk.files import JsonObject, replacing, write_json, write_text
from shoptalk.results import SampleResult

UNVERIFIED, REPEATED = 0.05, 0.02
#: Most purchases of a user.
MOST = 20
PLANTED_FILE = "planted.json"
#: Recipes that are written beside the data, and the packaged files that they are made from.
RECIPE_FILE, NEXT_ITEM_FILE = "recipe.toml", "next-item.toml"
RECIPES = {RECIPE_FILE: "sample.toml", NEXT_ITEM_FILE: "next-item.toml"}

_SECONDS_PER_DAY = 86_400
_START = 1_451_606_400  # 1 January 2016, in seconds
_ID_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FAMILY_NAMES = tuple(FAMILIES)
_PRODUCTS_PER_FAMILY = 4
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the generated users buy; probabilities are in [0, 1].

    Attributes
    ----------
    complement, popular, repeat
        Probability that a purchase completes the previous one, is drawn by popularity, or was made before; their sum
        is at most 1, and a purchase follows a taste otherwise.
    match
        How much more often items with the brand or attribute of a taste are bought.
    same_day
        Probability that a purchase is made on the day of the previous one.
    least, mean
        Purchases of a user: minimum, and mean before the maximum of 20 is applied.
    """

    complement: float = 0.4
    popular: float = 0.1
    repeat: float = 0.0
    match: float = 10.0
    same_day: float = 0.2
    least: int = 4
    mean: float = 8.0

    @property
    def taste(self) -> float:
        """Probability that a purchase follows a taste."""
        return max(0.0, 1 - self.complement - self.popular - self.repeat)


@dataclass(frozen=True)
class _Products:
    """The catalogue as (I,) codes.

    ``brand`` is an index into the brands of the family, ``complement`` is the item that completes an item, or -1.
    """

    ids: list[str]
    family: Ints
    product: Ints
    brand: Ints
    attribute: Ints
    size: Ints
    pack: Ints
    style: Ints
    popularity: NDArray[np.float64]
    complement: Ints

    def terms(self, item: int) -> dict[str, str]:
        """The values of the placeholders in the texts about an item."""
        family = int(self.family[item])
        return {
            "brand": BRANDS[(family + 2 * int(self.brand[item])) % len(BRANDS)],
            "attribute": ATTRIBUTES[self.attribute[item]],
            "product": FAMILIES[_FAMILY_NAMES[family]][self.product[item]],
            "size": " ".join(filter(None, (SIZES[self.size[item]], PACKS[self.pack[item]]))),
        }


@dataclass(frozen=True)
class _Purchases:
    """(R,) purchases; ``reason`` is 0 for a taste, 1 for a complement, 2 for popularity, 3 for a repeat."""

    user: Ints
    item: Ints
    day: Ints
    reason: Ints


def write_sample(
    folder: Path,
    *,
    users: int = 2000,
    items: int = 600,
    seed: int = 1,
    release: Name = "2018",
    behaviour: Behaviour = Behaviour(),
) -> SampleResult:
    """Write reviews and products in the format of a release, ``planted.json``, and two recipes.

    ``recipe.toml`` trains on titles and evaluates with options, ``next-item.toml`` has the default settings.

    The same arguments give the same bytes; the purchases are the same in every release.

    Raises
    ------
    UsageError
        When there are not enough words for so many products.
    """
    max_items = len(_FAMILY_NAMES) * _PRODUCTS_PER_FAMILY * BRANDS_OF_FAMILY * len(ATTRIBUTES) * len(SIZES) * len(PACKS)
    if not (20 <= items <= max_items and users >= 1):
        raise UsageError(
            f"a shop has at least one user and 20 to {max_items:,} items", hint="choose other --users, --items"
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError("this is a file; the generated shop needs a folder", where=str(folder))
    rng = np.random.default_rng(seed)
    products = _draw_products(items, rng)
    tastes, weights = _tastes(users, rng)
    purchases = _buy(products, tastes, weights, behaviour, rng)
    user_ids = _random_ids(users, 13, "A", rng)
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


def _draw_products(items: int, rng: np.random.Generator) -> _Products:
    """Draw distinct products from all combinations of the words."""
    shape = (len(_FAMILY_NAMES), _PRODUCTS_PER_FAMILY, BRANDS_OF_FAMILY, len(ATTRIBUTES), len(SIZES), len(PACKS))
    drawn = rng.permutation(int(np.prod(shape)))[:items]
    family, product, brand, attribute, size, pack = np.unravel_index(drawn, shape)
    popularity = np.reciprocal(1.0 + rng.permutation(items), dtype=np.float64)
    return _Products(
        _random_ids(items, 8, "B0", rng),
        family,
        product,
        brand,
        attribute,
        size,
        pack,
        rng.integers(len(TITLES), size=items),
        popularity,
        _complements(family, product, brand, attribute, popularity),
    )


def _complements(family: Ints, product: Ints, brand: Ints, attribute: Ints, popularity: NDArray[np.float64]) -> Ints:
    """(I,) the complement of each item: the most similar, then most popular, item of the next product of its family."""
    complement = np.full(len(family), -1)
    for family_code in range(len(_FAMILY_NAMES)):
        for product_code in range(_PRODUCTS_PER_FAMILY):
            next_product = (product_code + 1) % _PRODUCTS_PER_FAMILY
            items = np.flatnonzero((family == family_code) & (product == product_code))
            options = np.flatnonzero((family == family_code) & (product == next_product))
            if len(options):
                same_brand = brand[items, None] == brand[options]
                same_attribute = attribute[items, None] == attribute[options]
                preference = 2.0 * same_brand + 1.0 * same_attribute + popularity[options] * 0.5
                complement[items] = options[np.argmax(preference, axis=1)]
    return complement


def _tastes(users: int, rng: np.random.Generator) -> tuple[Ints, NDArray[np.float64]]:
    """(U, 3, 3) family, brand and attribute of three tastes, and (U, 3) their weights, 0 for a taste that is absent."""
    tastes = rng.integers([len(_FAMILY_NAMES), BRANDS_OF_FAMILY, len(ATTRIBUTES)], size=(users, 3, 3))
    strength = np.where(np.arange(3) < rng.integers(1, 4, size=(users, 1)), [3.0, 2.0, 1.0], 0.0)
    return tastes, strength / strength.sum(axis=1, keepdims=True)


def _buy(
    products: _Products,
    tastes: Ints,
    weights: NDArray[np.float64],
    behaviour: Behaviour,
    rng: np.random.Generator,
) -> _Purchases:
    """Draw the first purchase of all users, then the second purchase of all, and so on."""
    users, items = len(tastes), len(products.ids)
    max_length = min(MOST, items // 2)
    least = behaviour.least
    lengths = np.minimum(least + rng.geometric(1 / (behaviour.mean - least + 1), size=users) - 1, max_length)
    basket = np.full((users, max_length), -1)
    reasons = np.zeros((users, max_length), dtype=np.int64)
    by_taste = _cumulative_rows(_taste_weights(products, behaviour.match))
    by_popularity = np.cumsum(products.popularity) / products.popularity.sum()
    for step in range(max_length):
        pending = np.flatnonzero(lengths > step)  # users whose purchase of this step is not drawn yet
        reason = _draw_reasons(len(pending), behaviour, rng) if step else 0 * pending
        repeats = reason == 3
        again = pending[repeats]
        basket[again, step], reasons[again, step] = basket[again, rng.integers(max(1, step), size=len(again))], 3
        pending, reason = pending[~repeats], reason[~repeats]
        for attempt in range(40):  # items that a user already has are drawn again: by taste, later from all items
            previous = basket[pending, step - 1]
            drawn = _draw(pending, reason, previous, tastes, weights, (by_taste, by_popularity), products, rng)
            if attempt >= 8:
                drawn, reason = rng.integers(items, size=len(pending)), np.full(len(pending), 2)
            is_new = (drawn >= 0) & ~(basket[pending] == drawn[:, None]).any(axis=1)
            basket[pending[is_new], step], reasons[pending[is_new], step] = drawn[is_new], reason[is_new]
            pending, reason = pending[~is_new], np.where(reason[~is_new] == 1, 0, reason[~is_new])
    user, step_index = np.nonzero(basket >= 0)
    gaps = np.where(
        rng.random((users, max_length)) < behaviour.same_day, 0, rng.geometric(1 / 30, size=(users, max_length))
    )
    days = rng.integers(0, 365, size=(users, 1)) + np.cumsum(gaps, axis=1)
    return _Purchases(user, basket[user, step_index], days[user, step_index], reasons[user, step_index])


def _draw_reasons(count: int, behaviour: Behaviour, rng: np.random.Generator) -> Ints:
    """(count,) why each purchase is made; see `_Purchases`."""
    probabilities = [behaviour.taste, behaviour.complement, behaviour.popular, behaviour.repeat]
    return rng.choice(4, size=count, p=probabilities)


def _draw(
    users: Ints,
    reason: Ints,
    previous: Ints,
    tastes: Ints,
    weights: NDArray[np.float64],
    cumulative: tuple[NDArray[np.float64], NDArray[np.float64]],
    products: _Products,
    rng: np.random.Generator,
) -> Ints:
    """One item for each user, drawn for the given reason; -1 where there is none.

    ``cumulative`` holds the cumulative probabilities of items by taste (see `_cumulative_rows`) and by popularity.
    """
    items = len(products.ids)
    taste = (rng.random((len(users), 1)) > np.cumsum(weights[users], axis=1)[:, :2]).sum(axis=1)
    family, brand, attribute = tastes[users, taste].T
    row = (family * BRANDS_OF_FAMILY + brand) * len(ATTRIBUTES) + attribute
    by_taste = np.searchsorted(cumulative[0], row + rng.random(len(users)), side="right") - row * items
    by_popularity = np.searchsorted(cumulative[1], rng.random(len(users)), side="right")
    complement = np.where(previous >= 0, products.complement[previous], -1)
    return np.choose(reason, [np.clip(by_taste, 0, items - 1), complement, np.clip(by_popularity, 0, items - 1)])


def _taste_weights(products: _Products, match: float) -> NDArray[np.float64]:
    """(tastes, I) weight of each item for each possible taste."""
    shape = (len(_FAMILY_NAMES), BRANDS_OF_FAMILY, len(ATTRIBUTES))
    family, brand, attribute = (part[:, None] for part in np.unravel_index(np.arange(np.prod(shape)), shape))
    similar = match ** ((brand == products.brand) * 1.0 + (attribute == products.attribute))
    # For a family without products, all items are possible.
    in_family = family == products.family
    possible = np.where(in_family.any(axis=1, keepdims=True), in_family, True)
    return possible * similar * products.popularity**0.25


def _cumulative_rows(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cumulative probabilities of all rows in one array, with k added to row k: one search serves all rows."""
    cumulative = np.cumsum(weights, axis=1)
    return (cumulative / cumulative[:, -1:] + np.arange(len(weights))[:, None]).ravel()


def _random_ids(count: int, length: int, prefix: str, rng: np.random.Generator) -> list[str]:
    """Distinct random ids."""
    digits = min(length, 12)  # 36 ** 12 is the last power that fits into 64 bits
    numbers = np.unique(rng.integers(36 ** (digits - 1), 36**digits, size=2 * count + 20))
    ids = []
    for number in rng.permutation(numbers)[:count].tolist():
        text = "".join(_ID_CHARACTERS[number // 36**index % 36] for index in range(digits))
        ids.append(prefix + text.rjust(length, "0"))
    return ids


def _reviews(
    products: _Products, purchases: _Purchases, user_ids: list[str], rng: np.random.Generator
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


def _meta(products: _Products, item: int, rng: np.random.Generator) -> JsonObject:
    """A line of the file of products of 2018; texts of sellers have HTML entities, as in the published files."""
    terms = products.terms(item)
    family = _FAMILY_NAMES[products.family[item]]
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
    products: _Products,
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
                "family": _FAMILY_NAMES[family],
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
