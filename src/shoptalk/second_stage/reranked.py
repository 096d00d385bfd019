"""A model with item tokens whose scores are one source of a second stage."""

from pathlib import Path

from safetensors.numpy import load_file

from shoptalk.recommend.item_scores import ItemTokenRecommender
from shoptalk.recommend.transition_text import TensorReader
from shoptalk.schema import History
from shoptalk.second_stage.recommender import SecondStage
from shoptalk.second_stage.sources import ModelSource
from shoptalk.second_stage.storage import load_second_stage


class RerankedModel(SecondStage):
    """A second stage that is shown as the run's model.

    Parameters
    ----------
    stage
        Has the recommender among its sources.
    recommender
        The trained model, with its transition-text scorer if it has one.
    """

    name = "model"

    def __init__(self, stage: SecondStage, recommender: ItemTokenRecommender) -> None:
        super().__init__(stage.items, stage.sources, stage.tables, stage.ranker, stage.depth, stage.calibration)
        self.model, self.builder, self.first_stage = recommender.model, recommender.builder, recommender

    def ask(self, history: History) -> tuple[list[int], bool]:
        """The ids that the model reads of a history, and whether it had to be cut."""
        return self.first_stage.ask(history)


def with_second_stage(
    recommender: ItemTokenRecommender, folder: Path, read: TensorReader = load_file
) -> ItemTokenRecommender | RerankedModel:
    """The model with the second stage of its folder, or as it is if the folder has none.

    ``read`` gives the tensors of a file, in memory or mapped.

    Raises
    ------
    ModelError
        When a file is damaged.
    """
    stage = load_second_stage(folder, ModelSource(recommender), read)
    return recommender if stage is None else RerankedModel(stage, recommender)
