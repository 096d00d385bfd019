"""Giving a trained model its second stage, where validation says that it ranks better with one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from shoptalk.evaluation.calibration import expected_calibration_error
from shoptalk.progress import Progress
from shoptalk.recommend.items import ItemRecommender
from shoptalk.results import RankingMethod
from shoptalk.schema import Catalogue, History, Split
from shoptalk.second_stage.fitting import RankerChoice, Settings, build, fit_ranker
from shoptalk.second_stage.sources import ModelSource
from shoptalk.second_stage.storage import load_second_stage, save_second_stage
from shoptalk.second_stage.tables import ItemTexts

SETTINGS = Settings()


def choose_second_stage(
    recommender: ItemRecommender, split: Split, catalogue: Catalogue, words: Any, seed: int, progress: Progress
) -> RankerChoice:
    """Learn a ranker with the model of the first training as one source; see `shoptalk.second_stage.fitting`.

    Parameters
    ----------
    recommender
        Has learned from ``split.train`` only, with its transition-text scorer if it has one.
    words
        (I, W) features of the items' texts; None to use TF-IDF of titles, brands and categories.
    """
    texts = ItemTexts.of(catalogue, words)
    return fit_ranker(split, catalogue, texts, seed, SETTINGS, progress, [ModelSource(recommender)])


def is_better(choice: RankerChoice) -> bool:
    """Whether held-out validation users are ranked better with the second stage than by the model alone."""
    return bool(choice.ndcg) and choice.chosen != ModelSource.default_name


def describe(choice: RankerChoice) -> RankingMethod:
    """A choice as it is reported."""
    method = RankingMethod(
        choice.chosen,
        choice.ndcg,
        validation_cases=choice.cases[0],
        held_out_cases=choice.cases[1],
        coverage=choice.calibration.coverage,
    )
    if choice.first is None:
        return method
    return replace(
        method,
        calibration_error=expected_calibration_error(choice.first.calibrated, choice.first.correct),
        uncalibrated_error=expected_calibration_error(choice.first.uncalibrated, choice.first.correct),
    )


def write_second_stage(
    choice: RankerChoice,
    recommender: ItemRecommender,
    train: Sequence[History],
    catalogue: Catalogue,
    words: Any,
    seed: int,
    folder: Path,
) -> None:
    """Build the sources from what the final fit has seen, and write them beside the model.

    Parameters
    ----------
    recommender
        Of the final fit.
    train
        The histories that it has learned from.
    """
    texts = ItemTexts.of(catalogue, words)
    stage = build(train, catalogue, texts, seed, choice, SETTINGS, [ModelSource(recommender)])
    save_second_stage(stage, folder)


def extend_second_stage(folder: Path, catalogue: Catalogue, new: Sequence[str], words: Callable[[], Any]) -> None:
    """Add items that nobody has bought to the second stage of a folder, if it has one.

    Parameters
    ----------
    catalogue
        All items, the new ones last.
    words
        Makes the features (I, W) of the texts of all items.
    """
    stage = load_second_stage(folder, ModelSource(None))
    if stage is not None:
        save_second_stage(stage.extended(new, ItemTexts.of(catalogue, words())), folder)
