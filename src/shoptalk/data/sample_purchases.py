"""The products and purchases of a generated shop; how users buy is described in `shoptalk.data.sample`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoptalk.data.sample_words import ATTRIBUTES, BRANDS, BRANDS_OF_FAMILY, FAMILIES, PACKS, SIZES, TITLES

#: Most purchases of a user.
MOST = 20
FAMILY_NAMES = tuple(FAMILIES)
PRODUCTS_PER_FAMILY = 4
_ID_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
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


DEFAULT_BEHAVIOUR = Behaviour()


@dataclass(frozen=True)
class Products:
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
            "product": FAMILIES[FAMILY_NAMES[family]][self.product[item]],
            "size": " ".join(filter(None, (SIZES[self.size[item]], PACKS[self.pack[item]]))),
        }


@dataclass(frozen=True)
class Purchases:
    """(R,) purchases; ``reason`` is 0 for a taste, 1 for a complement, 2 for popularity, 3 for a repeat."""

    user: Ints
    item: Ints
    day: Ints
    reason: Ints


def draw_products(items: int, rng: np.random.Generator) -> Products:
    """Draw distinct products from all combinations of the words."""
    shape = (len(FAMILY_NAMES), PRODUCTS_PER_FAMILY, BRANDS_OF_FAMILY, len(ATTRIBUTES), len(SIZES), len(PACKS))
    drawn = rng.permutation(int(np.prod(shape)))[:items]
    family, product, brand, attribute, size, pack = np.unravel_index(drawn, shape)
    popularity = np.reciprocal(1.0 + rng.permutation(items), dtype=np.float64)
    return Products(
        random_ids(items, 8, "B0", rng),
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
    for family_code in range(len(FAMILY_NAMES)):
        for product_code in range(PRODUCTS_PER_FAMILY):
            next_product = (product_code + 1) % PRODUCTS_PER_FAMILY
            items = np.flatnonzero((family == family_code) & (product == product_code))
            options = np.flatnonzero((family == family_code) & (product == next_product))
            if len(options):
                same_brand = brand[items, None] == brand[options]
                same_attribute = attribute[items, None] == attribute[options]
                preference = 2.0 * same_brand + 1.0 * same_attribute + popularity[options] * 0.5
                complement[items] = options[np.argmax(preference, axis=1)]
    return complement


def draw_tastes(users: int, rng: np.random.Generator) -> tuple[Ints, NDArray[np.float64]]:
    """(U, 3, 3) family, brand and attribute of three tastes, and (U, 3) their weights, 0 for a taste that is absent."""
    tastes = rng.integers([len(FAMILY_NAMES), BRANDS_OF_FAMILY, len(ATTRIBUTES)], size=(users, 3, 3))
    strength = np.where(np.arange(3) < rng.integers(1, 4, size=(users, 1)), [3.0, 2.0, 1.0], 0.0)
    return tastes, strength / strength.sum(axis=1, keepdims=True)


def buy(
    products: Products,
    tastes: Ints,
    weights: NDArray[np.float64],
    behaviour: Behaviour,
    rng: np.random.Generator,
) -> Purchases:
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
    return Purchases(user, basket[user, step_index], days[user, step_index], reasons[user, step_index])


def _draw_reasons(count: int, behaviour: Behaviour, rng: np.random.Generator) -> Ints:
    """(count,) why each purchase is made; see `Purchases`."""
    probabilities = [behaviour.taste, behaviour.complement, behaviour.popular, behaviour.repeat]
    return rng.choice(4, size=count, p=probabilities)


def _draw(
    users: Ints,
    reason: Ints,
    previous: Ints,
    tastes: Ints,
    weights: NDArray[np.float64],
    cumulative: tuple[NDArray[np.float64], NDArray[np.float64]],
    products: Products,
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


def _taste_weights(products: Products, match: float) -> NDArray[np.float64]:
    """(tastes, I) weight of each item for each possible taste."""
    shape = (len(FAMILY_NAMES), BRANDS_OF_FAMILY, len(ATTRIBUTES))
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


def random_ids(count: int, length: int, prefix: str, rng: np.random.Generator) -> list[str]:
    """Distinct random ids."""
    digits = min(length, 12)  # 36 ** 12 is the last power that fits into 64 bits
    numbers = np.unique(rng.integers(36 ** (digits - 1), 36**digits, size=2 * count + 20))
    ids = []
    for number in rng.permutation(numbers)[:count].tolist():
        text = "".join(_ID_CHARACTERS[number // 36**index % 36] for index in range(digits))
        ids.append(prefix + text.rjust(length, "0"))
    return ids
