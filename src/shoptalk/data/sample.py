"""A generated shop in a raw Amazon format, whose tastes are known because they are planted.

Every user has one to three tastes: a family of products, a brand of it and an attribute ("Hair Care" x "Fox & Fern" x
"Lavender"). After the first purchase, which follows a taste, each purchase is

- with probability ``COMPLEMENT`` what completes the purchase before it (shampoo -> conditioner of the same brand and
  attribute, the next best where that is not sold);
- with probability ``POPULAR`` something everybody buys (popularity falls as 1 / rank);
- else something of one of the user's tastes: of its family, ``MATCH`` times as likely for the brand and again for the
  attribute, and as the fourth root of its popularity.

Nobody buys an item twice (who has bought up a taste buys anything); a share of the reviews is unverified, and some are
written twice. What was drawn is written to ``planted.json``: the tastes of each user, what completes what, and these
probabilities.
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

COMPLEMENT, POPULAR, MATCH = 0.4, 0.1, 10.0
_TASTE = 1 - COMPLEMENT - POPULAR
SAME_DAY, UNVERIFIED, REPEATED = 0.2, 0.05, 0.02
LEAST, MOST, MEAN = 4, 20, 8
PLANTED_FILE, RECIPE_FILE = "planted.json", "recipe.toml"

_DAY = 86_400
_START = 1_451_606_400  # 1 January 2016
_SYMBOLS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NAMES = tuple(FAMILIES)
_PRODUCTS = 4  # of each family
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _Products:
    """The catalogue as (I,) codes; ``brand`` is the place among the family's own, ``completes`` -1 for nothing."""

    ids: list[str]
    family: Ints
    product: Ints
    brand: Ints
    attribute: Ints
    size: Ints
    pack: Ints
    style: Ints
    popularity: NDArray[np.float64]
    completes: Ints

    def words(self, item: int) -> dict[str, str]:
        """What the texts of one item are made of."""
        family = int(self.family[item])
        return {
            "brand": BRANDS[(family + 2 * int(self.brand[item])) % len(BRANDS)],
            "attribute": ATTRIBUTES[self.attribute[item]],
            "product": FAMILIES[_NAMES[family]][self.product[item]],
            "size": " ".join(filter(None, (SIZES[self.size[item]], PACKS[self.pack[item]]))),
        }


@dataclass(frozen=True)
class _Purchases:
    """(R,) purchases; ``how`` is 0 for a taste, 1 for a complement, 2 for popularity."""

    user: Ints
    item: Ints
    day: Ints
    how: Ints


def write_sample(
    folder: Path, *, users: int = 2000, items: int = 600, seed: int = 1, release: Name = "2018"
) -> SampleResult:
    """Write the files of reviews and products as the release has them, ``planted.json`` and ``recipe.toml``.

    The same arguments write the same bytes; every release tells the same purchases.

    Raises
    ------
    UsageError
        When so many products cannot be made of the words at hand.
    """
    most = len(_NAMES) * _PRODUCTS * BRANDS_OF_FAMILY * len(ATTRIBUTES) * len(SIZES) * len(PACKS)
    if not (20 <= items <= most and users >= 1):
        raise UsageError(f"a shop has at least one user and 20 to {most:,} items", hint="choose other --users, --items")
    if folder.exists() and not folder.is_dir():
        raise UsageError("this is a file; the shop needs a folder", where=str(folder))
    rng = np.random.default_rng(seed)
    products = _stock(items, rng)
    tastes, weights = _tastes(users, rng)
    bought = _buy(products, tastes, weights, rng)
    people = _codes(users, 13, "A", rng)
    reviews = _reviews(products, bought, people, rng)
    form = FORMATS[release]
    _write_lines(folder / form.reviews_file, map(form.review, reviews))
    _write_lines(folder / form.items_file, (form.product(_meta(products, item, rng)) for item in range(items)))
    write_json(folder / PLANTED_FILE, _planted(products, people, tastes, weights, seed))
    write_text(folder / RECIPE_FILE, _recipe(folder, form))
    names = (form.reviews_file, form.items_file, PLANTED_FILE, RECIPE_FILE)
    paths = {name: str(folder / name) for name in names}
    return SampleResult(users, items, len(reviews), paths)


def _recipe(folder: Path, form: Format) -> str:
    """The packaged recipe with the format and the folder's path in it, as a TOML basic string writes it."""
    text = (files("shoptalk.data") / "sample.toml").read_text(encoding="utf-8")
    for slot, value in (("$source", form.source), ("$reviews", form.reviews_file), ("$items", form.items_file)):
        text = text.replace(slot, value)
    return text.replace("$folder", json.dumps(folder.as_posix())[1:-1])


def _stock(items: int, rng: np.random.Generator) -> _Products:
    """Different products, drawn among all that the words allow."""
    shape = (len(_NAMES), _PRODUCTS, BRANDS_OF_FAMILY, len(ATTRIBUTES), len(SIZES), len(PACKS))
    drawn = rng.permutation(int(np.prod(shape)))[:items]
    family, product, brand, attribute, size, pack = np.unravel_index(drawn, shape)
    popularity = np.reciprocal(1.0 + rng.permutation(items), dtype=np.float64)
    return _Products(
        _codes(items, 8, "B0", rng),
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
    """(I,) what completes each item: the next product of its family, most alike first, then most popular."""
    completes = np.full(len(family), -1)
    for one in range(len(_NAMES)):
        for after in range(_PRODUCTS):
            those = np.flatnonzero((family == one) & (product == (after + 1) % _PRODUCTS))
            mine = np.flatnonzero((family == one) & (product == after))
            if len(those):
                similar = 2.0 * (brand[mine, None] == brand[those]) + 1.0 * (attribute[mine, None] == attribute[those])
                completes[mine] = those[np.argmax(similar + popularity[those] * 0.5, axis=1)]
    return completes


def _tastes(users: int, rng: np.random.Generator) -> tuple[Ints, NDArray[np.float64]]:
    """(U, 3, 3) family, brand and attribute of three tastes, and (U, 3) how strong each is (0: not there)."""
    tastes = rng.integers([len(_NAMES), BRANDS_OF_FAMILY, len(ATTRIBUTES)], size=(users, 3, 3))
    strength = np.where(np.arange(3) < rng.integers(1, 4, size=(users, 1)), [3.0, 2.0, 1.0], 0.0)
    return tastes, strength / strength.sum(axis=1, keepdims=True)


def _buy(products: _Products, tastes: Ints, weights: NDArray[np.float64], rng: np.random.Generator) -> _Purchases:
    """All users buy in step: first everybody's first purchase, then the second, and so on."""
    users, items = len(tastes), len(products.ids)
    most = min(MOST, items // 2)
    lengths = np.minimum(LEAST + rng.geometric(1 / (MEAN - LEAST + 1), size=users) - 1, most)
    basket = np.full((users, most), -1)
    how = np.zeros((users, most), dtype=np.int64)
    by_taste, by_fame = _edges(_liking(products)), np.cumsum(products.popularity) / products.popularity.sum()
    for step in range(most):
        open_ = np.flatnonzero(lengths > step)
        why = rng.choice(3, size=len(open_), p=[_TASTE, COMPLEMENT, POPULAR]) if step else 0 * open_
        for attempt in range(40):  # what is owned already is drawn again: from tastes, in the end from anything
            drawn = _draw(open_, why, basket[open_, step - 1], tastes, weights, (by_taste, by_fame), products, rng)
            if attempt >= 8:
                drawn, why = rng.integers(items, size=len(open_)), np.full(len(open_), 2)
            new = (drawn >= 0) & ~(basket[open_] == drawn[:, None]).any(axis=1)
            basket[open_[new], step], how[open_[new], step] = drawn[new], why[new]
            open_, why = open_[~new], np.where(why[~new] == 1, 0, why[~new])
    who, nth = np.nonzero(basket >= 0)
    gaps = np.where(rng.random((users, most)) < SAME_DAY, 0, rng.geometric(1 / 30, size=(users, most)))
    days = rng.integers(0, 365, size=(users, 1)) + np.cumsum(gaps, axis=1)
    return _Purchases(who, basket[who, nth], days[who, nth], how[who, nth])


def _draw(
    users: Ints,
    why: Ints,
    before: Ints,
    tastes: Ints,
    weights: NDArray[np.float64],
    edges: tuple[NDArray[np.float64], NDArray[np.float64]],
    products: _Products,
    rng: np.random.Generator,
) -> Ints:
    """One item for each user, by the reason ``why``; -1 where there is none."""
    items = len(products.ids)
    which = (rng.random((len(users), 1)) > np.cumsum(weights[users], axis=1)[:, :2]).sum(axis=1)
    family, brand, attribute = tastes[users, which].T
    key = (family * BRANDS_OF_FAMILY + brand) * len(ATTRIBUTES) + attribute
    # Row k of the liking ends at k + 1, so that one search serves all rows.
    liked = np.searchsorted(edges[0], key + rng.random(len(users)), side="right") - key * items
    famous = np.searchsorted(edges[1], rng.random(len(users)), side="right")
    completing = np.where(before >= 0, products.completes[before], -1)
    return np.choose(why, [np.clip(liked, 0, items - 1), completing, np.clip(famous, 0, items - 1)])


def _liking(products: _Products) -> NDArray[np.float64]:
    """(tastes, I) how likely each item is for each possible taste."""
    shape = (len(_NAMES), BRANDS_OF_FAMILY, len(ATTRIBUTES))
    family, brand, attribute = (part[:, None] for part in np.unravel_index(np.arange(np.prod(shape)), shape))
    similar = MATCH ** ((brand == products.brand) * 1.0 + (attribute == products.attribute))
    # A family of which nothing is sold falls back on the whole shop.
    mine = np.where((family == products.family).any(axis=1, keepdims=True), family == products.family, True)
    return mine * similar * products.popularity**0.25


def _edges(liking: NDArray[np.float64]) -> NDArray[np.float64]:
    fractions = np.cumsum(liking, axis=1)
    return (fractions / fractions[:, -1:] + np.arange(len(liking))[:, None]).ravel()


def _codes(count: int, length: int, prefix: str, rng: np.random.Generator) -> list[str]:
    """Different ids that tell nothing about what they name."""
    digits = min(length, 12)  # 36 ** 12 is the last power that fits into 64 bits
    numbers = np.unique(rng.integers(36 ** (digits - 1), 36**digits, size=2 * count + 20))
    symbols = []
    for number in rng.permutation(numbers)[:count].tolist():
        text = "".join(_SYMBOLS[number // 36**index % 36] for index in range(digits))
        symbols.append(prefix + text.rjust(length, "0"))
    return symbols


def _reviews(products: _Products, bought: _Purchases, people: list[str], rng: np.random.Generator) -> list[JsonObject]:
    """The lines of the file of reviews, as of 2018; they come by product and date, as in the published files."""
    rows = len(bought.item)
    # Who buys out of taste is content; who follows the crowd may be or not.
    content = rng.choice([5, 4, 3], size=rows, p=[0.7, 0.22, 0.08])
    crowd = rng.choice([5, 4, 3, 2, 1], size=rows, p=[0.35, 0.2, 0.15, 0.15, 0.15])
    stars = np.where(bought.how == 2, crowd, content)
    verified = rng.random(rows) >= UNVERIFIED
    says = rng.integers(2, size=rows)
    again = np.flatnonzero(rng.random(rows) < REPEATED)
    row = np.concatenate([np.arange(rows), again])
    day = bought.day[row] + np.concatenate([np.zeros(rows, dtype=np.int64), rng.integers(0, 30, size=len(again))])
    ids = np.asarray(products.ids)[bought.item[row]]
    order = np.lexsort((row, day, ids))
    words = [products.words(item) for item in range(len(products.ids))]
    return [
        _review(
            people[bought.user[at]], products.ids[item], words[item], int(stars[at]), says[at], when, bool(verified[at])
        )
        for at, when in zip(row[order].tolist(), day[order].tolist(), strict=True)
        for item in [int(bought.item[at])]
    ]


def _review(
    user: str,
    item: str,
    words: dict[str, str],
    stars: int,
    says: int,
    day: int,
    verified: bool,
) -> JsonObject:
    summary, text = REVIEWS[stars][says]
    seconds = _START + day * _DAY
    lower = {name: value if name == "brand" else value.lower() for name, value in words.items()}
    return {
        "overall": float(stars),
        "verified": verified,
        "reviewTime": time.strftime("%m %d, %Y", time.gmtime(seconds)),
        "reviewerID": user,
        "asin": item,
        "style": {"Size:": f" {words['size']}"},
        "reviewerName": f"Customer {user[-4:]}",
        "reviewText": text.format(**lower),
        "summary": summary,
        "unixReviewTime": seconds,
    }


def _meta(products: _Products, item: int, rng: np.random.Generator) -> JsonObject:
    """One line of the file of products, as of 2018; what sellers typed has HTML entities, as in the published files."""
    words = products.words(item)
    family = _NAMES[products.family[item]]
    after = int(products.completes[item])
    title = TITLES[products.style[item]].format(**words)
    return {
        "category": ["Everyday Shop", family, words["product"]],
        "description": [html.escape(f"{words['attribute']} {words['product'].lower()} made by {words['brand']}.")],
        "title": html.escape(title),
        "also_buy": [products.ids[after]] if after >= 0 else [],
        "brand": html.escape(words["brand"]),
        "feature": [words["size"], words["attribute"]],
        "main_cat": family,
        "price": f"${rng.integers(3, 60)}.{rng.choice([49, 95, 99])}",
        "asin": products.ids[item],
    }


def _planted(
    products: _Products, people: list[str], tastes: Ints, weights: NDArray[np.float64], seed: int
) -> JsonObject:
    users = {
        person: [
            {
                "family": _NAMES[family],
                "brand": BRANDS[(family + 2 * brand) % len(BRANDS)],
                "attribute": ATTRIBUTES[attribute],
                "share": round(share, 3),
            }
            for (family, brand, attribute), share in zip(own, fractions, strict=True)
            if share
        ]
        for person, own, fractions in zip(people, tastes.tolist(), weights.tolist(), strict=True)
    }
    pairs = enumerate(products.completes.tolist())
    return {
        "seed": seed,
        "probabilities": {
            "complement": COMPLEMENT,
            "popular": POPULAR,
            "taste": 1 - COMPLEMENT - POPULAR,
            "match": MATCH,
        },
        "complements": {products.ids[item]: products.ids[after] for item, after in pairs if after >= 0},
        "users": users,
    }


def _write_lines(path: Path, rows: Iterable[JsonObject]) -> None:
    """Gzipped JSON lines; the header holds no time, so that the bytes are the same every time."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with replacing(path) as temporary:
        temporary.write_bytes(gzip.compress(text.encode("utf-8"), compresslevel=6, mtime=0))
