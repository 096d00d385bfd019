"""A small catalogue with tastes, and a tokenizer and a model made of it, for tests of everything above the tables."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoptalk.models.create import create
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.tokenizer import Tokenizer, train_tokenizer
from shoptalk.recipe import Lora, Model, Prompt
from shoptalk.schema import Candidates, Catalogue, EvalExample, History, Item
from shoptalk.tasks import get_task

BRANDS, THINGS = ("Rose", "Cedar", "Mint"), ("shampoo", "soap", "balm", "mask", "comb", "oil")
CATALOGUE = {
    f"{brand[0]}{number}": Item(f"{brand[0]}{number}", f"{brand} {thing}", brand=brand, categories=("Care", thing))
    for brand in BRANDS
    for number, thing in enumerate(THINGS)
}
TITLES = [item.title for item in CATALOGUE.values()]


def tokenizer(size: int = 320) -> Tokenizer:
    return train_tokenizer(TITLES, size)


def small_model(seed: int = 1, **settings: object) -> LanguageModel:
    recipe = Model.model_validate({"width": 32, "layers": 2, "vocabulary": 320, "precision": "fp32", **settings})
    return create(recipe, Lora(), TITLES, seed, 256)


def history(*items: str, user: str = "u") -> History:
    return History(user, items)


def eval_data(count: int, seed: int = 0) -> list[EvalExample]:
    """Cases in which a user stays with one brand; the answer is of it, the distractors are not."""
    random = np.random.default_rng(seed)
    cases = []
    for number in range(count):
        brand = BRANDS[random.integers(3)]
        own = [f"{brand[0]}{index}" for index in random.permutation(len(THINGS))[:4]]
        others = [f"{other[0]}{random.integers(len(THINGS))}" for other in BRANDS if other != brand]
        options = [own[3], *others]
        order = random.permutation(3)
        shown = tuple(options[index] for index in order)
        candidates = Candidates(shown, tuple(CATALOGUE[item].title for item in shown))
        answer = int(np.flatnonzero(order == 0)[0])
        cases.append(EvalExample(History(f"u{number}", tuple(own[:3])), (own[3],), candidates, answer))
    return cases


def only(items: Iterable[str], catalogue: Iterable[str] = CATALOGUE) -> NDArray[np.bool_]:
    """Which items of a catalogue are among the given ones, as `Recommender.rank` wants it."""
    chosen = set(items)
    return np.array([item in chosen for item in catalogue], dtype=np.bool_)


def prompt_builder(
    prompt: Prompt,
    catalogue: Catalogue = CATALOGUE,
    control: Iterable[str] = (),
    users: Iterable[str] = (),
    encode: Any = None,
) -> Any:
    """The prompts of the task that a recipe's section names."""
    return get_task(prompt.task).prompts(prompt, catalogue, control, users, encode)
