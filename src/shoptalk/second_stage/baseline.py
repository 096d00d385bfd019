"""The second stage without a language model, as a baseline that `evaluate` shows beside a run."""

from shoptalk.schema import Catalogue, Split
from shoptalk.second_stage.fitting import fit_second_stage
from shoptalk.second_stage.recommender import SecondStage


def learn(split: Split, catalogue: Catalogue, seed: int) -> SecondStage:
    """Learn the ranker on validation cases, then build the sources from what the final fit sees.

    Raises
    ------
    RecipeError
        When a validation target is among the training purchases.
    """
    return fit_second_stage(split, catalogue, seed)[0]
