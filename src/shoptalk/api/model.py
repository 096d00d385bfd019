"""Fit a model, load one, and recommend."""

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoptalk.api.settings import make_recipe, recipe_content
from shoptalk.api.tables import temporary_folder
from shoptalk.constants import DEFAULT_K
from shoptalk.data.dataset import Dataset
from shoptalk.errors import RunError
from shoptalk.experiment import train
from shoptalk.files import replacing
from shoptalk.progress_bars import progress_bars
from shoptalk.recipe import Recipe
from shoptalk.recommend.filters import Filters
from shoptalk.results import RankingMethod, RecommendResult, from_json
from shoptalk.runs import open_run
from shoptalk.stages.recommend import RecommendRequest, recommend
from shoptalk.stages.trained_run import TrainedRun, open_trained_run

if TYPE_CHECKING:
    import pandas as pd

#: Columns of recommendations, and those of explained ones.
COLUMNS, EXPLANATIONS = ["user_id", "item_id", "rank", "score"], ["because", "sources", "reason"]
#: In a run's folder: its dataset, where the run is saved to go elsewhere.
DATASET = "dataset"
#: Parts of a recipe that define the data.
DATA_SECTIONS = ("name", "seed", "data", "split", "candidates")


class Model:
    """A trained model that recommends; made by `fit` and `load`.

    Attributes
    ----------
    trained
        The run's folder, the dataset and the recommender.
    """

    def __init__(self, trained: TrainedRun) -> None:
        self.trained = trained

    def __repr__(self) -> str:
        items = len(self.data.catalogue)
        return f"Model(task={self.recipe.prompt.task!r}, items={items}, folder={str(self.folder)!r})"

    @property
    def folder(self) -> Path:
        """The run's folder; a temporary one is removed when the process ends (see `save`)."""
        return self.trained.run.folder

    @property
    def recipe(self) -> Recipe:
        """All settings that the model was trained with."""
        return self.trained.run.recipe

    @property
    def data(self) -> Dataset:
        """The dataset that the model was trained on."""
        return self.trained.dataset

    @property
    def ranking(self) -> RankingMethod | None:
        """Which method ranks, with NDCG@10 of each on held-out validation users; None if there was no choice."""
        choice = self.trained.run.info.get("training", {}).get("ranking")
        return None if choice is None else from_json(RankingMethod, choice)

    def recommend(
        self,
        users: str | Sequence[str] = (),
        *,
        histories: Sequence[Sequence[str]] = (),
        k: int = DEFAULT_K,
        exclude_history: bool = True,
        explain: bool = False,
        options: Sequence[str] = (),
        categories: Sequence[str] = (),
        min_price: float | None = None,
        max_price: float | None = None,
        allow: Collection[str] | None = None,
        deny: Collection[str] = (),
        progress: bool = False,
    ) -> "pd.DataFrame":
        """The k best items for users of the dataset, or for histories.

        Parameters
        ----------
        users
            Ids of users of the dataset.
        histories
            Instead of users: ids or titles of purchased items for each history, oldest first.
        k
            Number of recommendations for each.
        exclude_history
            Leave out items of the history.
        explain
            Add the columns ``because``, the effect of each item of the history on the score, ``sources`` and
            ``reason``.
        options
            Choose from these ids or titles alone.
        categories, min_price, max_price, allow, deny
            Conditions that every recommended item meets; ``allow`` and ``deny`` are item ids.

        Returns
        -------
        pandas.DataFrame
            Columns user_id, item_id, rank (from 1), score, and if explained ``because``: a list of (item_id, effect),
            the largest effect first; ``sources``: what each source of a second stage adds to its score, empty
            without one; and ``reason``: a true sentence about the purchase with the largest effect, None where none
            is found. For histories, user_id is the position of the history, from 0.

        Raises
        ------
        ShoptalkError
            For an unknown user or item (with the nearest ones), or conditions that no item meets.

        Examples
        --------
        >>> import pandas as pd, shoptalk
        >>> bought = [(f"u{user}", f"i{(user + step) % 9}", step) for user in range(20) for step in range(5)]
        >>> purchases = pd.DataFrame(bought, columns=["user_id", "item_id", "position"])
        >>> data = shoptalk.prepare(interactions=purchases, progress=False)
        >>> small = {"width": 32, "layers": 1, "epochs": 1, "vocabulary": 300, "dimensions": 4}
        >>> model = shoptalk.fit(data, progress=False, **small)
        >>> model.recommend(["u0", "u1"], k=2)["rank"].tolist()
        [1, 2, 1, 2]
        """
        import pandas as pd

        request = RecommendRequest(
            users=[users] if isinstance(users, str) else list(users),
            histories=[list(history) for history in histories],
            options=options,
            k=k,
            explain=explain,
            filters=Filters(tuple(categories), min_price, max_price, allow, deny),
            repeats=not exclude_history,
        )
        with progress_bars(show=progress) as report:
            results = recommend(self.trained, request, report)
        rows = [row for position, result in enumerate(results) for row in _rows(result, position)]
        table = pd.DataFrame(rows, columns=[*COLUMNS, *EXPLANATIONS])
        return table if explain else table[COLUMNS]

    def save(self, folder: str | Path) -> Path:
        """Copy the model with its dataset and results into a new folder, which `load` opens anywhere.

        Raises
        ------
        RunError
            If the folder exists.
        """
        target = Path(folder)
        if target.exists():
            raise RunError("this folder exists", where=str(target), hint="choose a new folder")
        with replacing(target) as temporary:
            shutil.copytree(self.folder, temporary, ignore=shutil.ignore_patterns(DATASET))
            shutil.copytree(self.trained.run.dataset, temporary / DATASET)
        return target


def fit(
    data: Dataset,
    recipe: Recipe | str | Path | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
    **settings: Any,
) -> Model:
    """Train a model on a dataset.

    Parameters
    ----------
    data
        What `prepare` returned.
    recipe
        A recipe or the path of its file, whose data section must be the dataset's; without one, the dataset's recipe.
    out
        The run's folder; without one, a temporary folder that is removed when the process ends (see `Model.save`).
    resume
        Continue an interrupted training in ``out``.
    progress
        Show progress on standard error.
    **settings
        Settings of the recipe by name, for instance ``task="next_item"``, ``width=128`` or
        ``training={"epochs": 3}``. With another ``task`` than the recipe's, all settings that do not define the data
        begin with the defaults of that task.

    Raises
    ------
    ShoptalkError
        For settings that make no recipe or do not fit the dataset.
    """
    content = recipe_content(data.recipe if recipe is None else recipe)
    if settings.get("task", content["prompt"]["task"]) != content["prompt"]["task"]:
        content = {name: value for name, value in content.items() if name in DATA_SECTIONS}
        content["prompt"] = {"fields": data.recipe.prompt.fields}
    folder = Path(out) if out is not None else temporary_folder("run")
    with progress_bars(show=progress) as report:
        return Model(train(make_recipe(content, settings), data, folder, report, resume=resume))


def load(folder: str | Path) -> Model:
    """Load a trained model from the folder of its run.

    Raises
    ------
    ShoptalkError
        If the folder is not a trained run, is damaged, or its dataset is missing.
    """
    return Model(open_trained_run(open_run(Path(folder))))


def _rows(result: RecommendResult, position: int) -> list[tuple[Any, ...]]:
    user = position if result.user is None else result.user
    return [
        (
            *(user, item.item_id, rank, item.score),
            [(reason.item_id, reason.effect) for reason in item.because],
            [(part.source, part.effect) for part in item.sources],
            item.reason,
        )
        for rank, item in enumerate(result.items, 1)
    ]
