"""Baselines: recommenders without a language model, with the same interface.

They learn from ``train`` and ``train_cases`` of a split. A baseline with settings chooses them on the validation cases,
and then learns from `Split.for_final_fit`, as the model does. Those in ``RANKERS`` score the whole catalogue too
(``score_all``). A new baseline is one file with a ``learn`` function, one line in ``shoptalk.registry`` and one test.
"""

import difflib
import importlib

from shoptalk.errors import RecipeError
from shoptalk.registry import BASELINES
from shoptalk.schema import Catalogue, Recommender, Split

#: The baselines of this package, in the order in which tables list them.
NAMES = tuple(name for name, entry in BASELINES.items() if entry.module is not None)
#: The baselines that rank the whole catalogue.
RANKERS = tuple(name for name in NAMES if BASELINES[name].ranks)


def make_baseline(name: str, split: Split, catalogue: Catalogue, seed: int) -> Recommender:
    """Choose the settings of a baseline, then learn it from the data of the final fit.

    Parameters
    ----------
    name
        One of ``NAMES``.
    split
        Settings are chosen on its validation cases; its test cases are never used.
    catalogue
        All items, with titles cleaned like those of the histories.
    seed
        Seed of the random number generators.

    Raises
    ------
    RecipeError
        For an unknown name, with the most similar known name, or where the split lacks the data that the baseline
        learns from.
    MissingExtra
        When the baseline needs a library that is not installed.
    """
    entry = BASELINES.get(name)
    if entry is None or entry.module is None:
        similar_names = difflib.get_close_matches(name, NAMES, n=1)
        raise RecipeError(
            f"unknown baseline {name}",
            where="evaluation.baselines",
            hint=f"did you mean {similar_names[0]}?" if similar_names else f"known here: {', '.join(NAMES)}",
        )
    baseline: Recommender = importlib.import_module(entry.module).learn(split, catalogue, seed)
    return baseline


def make_ranker(name: str, split: Split, catalogue: Catalogue, seed: int) -> Recommender:
    """Learn a baseline that ranks the whole catalogue; parameters and errors are those of `make_baseline`.

    Raises
    ------
    RecipeError
        Also for a baseline that scores options only.
    """
    if name in BASELINES and not BASELINES[name].ranks:
        raise RecipeError(
            f"{name} scores options and cannot rank the whole catalogue",
            where="evaluation.baselines",
            hint=f"baselines that rank: {', '.join(RANKERS)}",
        )
    ranker = make_baseline(name, split, catalogue, seed)
    assert hasattr(ranker, "score_all")
    return ranker
