"""Sizes that a recipe leaves to the data: settings with the value ``auto``."""

from collections.abc import Mapping
from dataclasses import dataclass

from shoptalk.recipe import Recipe


@dataclass(frozen=True, slots=True)
class DataSize:
    """How much data a model learns from.

    Attributes
    ----------
    users, items, purchases
        Number of each in the dataset.
    """

    users: int
    items: int
    purchases: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes that ``auto`` stands for; settings of the same names describe them."""

    width: int = 256
    dimensions: int = 256
    epochs: int = 5
    batch_tokens: int = 4096

    def by_section(self) -> Mapping[str, Mapping[str, int]]:
        """The sizes as settings of a recipe."""
        return {
            "model": {"width": self.width},
            "items": {"dimensions": self.dimensions},
            "training": {"epochs": self.epochs, "batch_tokens": self.batch_tokens},
        }


def fill_sizes(recipe: Recipe, sizes: Sizes) -> Recipe:
    """The recipe with numbers where it says ``auto``."""
    changes = {}
    for section, settings in sizes.by_section().items():
        values = getattr(recipe, section)
        chosen = {key: number for key, number in settings.items() if getattr(values, key) == "auto"}
        if chosen:
            changes[section] = values.model_copy(update=chosen)
    return recipe.model_copy(update=changes) if changes else recipe
