"""Baselines that an honest model has to beat, behind the same protocol as a language model.

They learn from ``train`` and ``train_cases`` of a split; what has variants chooses among them on the validation cases,
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
    """Choose the settings of one baseline, then learn it from what the final fit sees.

    Parameters
    ----------
    name
        One of `baseline_names`.
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
    """Learn one baseline that ranks the whole catalogue; parameters and errors are those of ``make_baseline``.

    Raises
    ------
    RecipeError
        Also for a baseline that scores options only.
    """
    if name in BASELINES and not BASELINES[name].ranks:
        raise RecipeError(
            f"{name} scores options and cannot rank the whole catalogue",
            where="evaluation.baselines",
            hint=f"these can: {', '.join(ranker_names())}",
        )
    ranker = make_baseline(name, split, catalogue, seed)
    assert hasattr(ranker, "score_all")  # as `ranker_names` says
    return ranker
