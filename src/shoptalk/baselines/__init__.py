"""Baselines: recommenders without a language model, with the same interface.

They learn from ``train`` and ``train_cases`` of a split; a baseline with settings chooses them on the validation cases,
and then learns from `Split.for_final_fit`, as the model does. Those in `ranker_names` score the whole catalogue too
(``score_all``). A new baseline is one file with a ``learn`` function, one line in ``shoptalk.registry`` and one test.
"""

import difflib
import importlib

from shoptalk.errors import RecipeError
from shoptalk.registry import BASELINES
from shoptalk.schema import Catalogue, Recommender, Split


def baseline_names() -> tuple[str, ...]:
    """The baselines that are learned here, in the order in which tables list them."""
    return tuple(name for name, entry in BASELINES.items() if entry.module is not None)


def ranker_names() -> tuple[str, ...]:
    """The baselines among them that rank the whole catalogue."""
    return tuple(name for name in baseline_names() if BASELINES[name].ranks)


def make_baseline(name: str, split: Split, catalogue: Catalogue, seed: int) -> Recommender:
    """Choose the settings of a baseline, then learn it from the data of the final fit.

    Parameters
    ----------
    name
        One of `baseline_names`.
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
        names = baseline_names()
        near = difflib.get_close_matches(name, names, n=1)
        raise RecipeError(
            f"unknown baseline {name}",
            where="evaluation.baselines",
            hint=f"did you mean {near[0]}?" if near else f"known here: {', '.join(names)}",
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
            hint=f"baselines that rank: {', '.join(ranker_names())}",
        )
    ranker = make_baseline(name, split, catalogue, seed)
    assert hasattr(ranker, "score_all")
    return ranker
