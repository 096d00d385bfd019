"""Simple methods that an honest model has to beat, behind the same protocol as a language model.

They learn from ``split.train`` and ``split.train_cases`` alone; what has variants chooses among them on the validation
cases. A new baseline is one file with a ``learn`` function, one line in ``_BASELINES`` and one mirrored test.
"""

import difflib
import importlib

from shoptalk.errors import RecipeError
from shoptalk.schema import Catalogue, Recommender, Split

#: Names in a recipe, in the order in which tables list them, and the modules whose ``learn`` makes them.
_BASELINES = {
    "chance": "shoptalk.baselines.chance",
    "popularity": "shoptalk.baselines.popularity",
    "tfidf": "shoptalk.baselines.tfidf",
    "cooccurrence": "shoptalk.baselines.cooccurrence",
    "options_only": "shoptalk.baselines.options_only",
}
NAMES = tuple(_BASELINES)


def make_baseline(name: str, split: Split, catalogue: Catalogue, seed: int) -> Recommender:
    """Learn one baseline from the training part.

    Parameters
    ----------
    name
        One of ``NAMES``.
    split
        Test cases are never looked at; validation cases choose between variants.
    catalogue
        The titles, cleaned like those of the histories.
    seed
        Of whatever is drawn at random.

    Raises
    ------
    RecipeError
        For an unknown name, with the nearest known one, or where the split lacks what the baseline learns from.
    """
    if name not in _BASELINES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        raise RecipeError(
            f"unknown baseline {name}",
            where="evaluation.baselines",
            hint=f"did you mean {near[0]}?" if near else f"known here: {', '.join(NAMES)}",
        )
    baseline: Recommender = importlib.import_module(_BASELINES[name]).learn(split, catalogue, seed)
    return baseline
