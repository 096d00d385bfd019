"""New items in a run that is in memory: recommended by their text at once, without training and without a file.

`shoptalk.stages.catalogue` does the same for a run on disk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from shoptalk.models.encoders import load_encoder
from shoptalk.models.numpy_model import NumpyModel
from shoptalk.recommend.numpy_items import NumpyItemRecommender
from shoptalk.recommend.text_neighbours import TextNeighbours
from shoptalk.schema import Catalogue, Item
from shoptalk.second_stage.reranked import RerankedModel
from shoptalk.second_stage.sources import ModelSource
from shoptalk.second_stage.tables import ItemTexts
from shoptalk.stages.trained_run import TrainedRun, make_recommender
from shoptalk.tasks import get_task, make_prompts


def with_new_items(trained: TrainedRun, items: Sequence[Item], changed: Mapping[str, Item] = {}) -> TrainedRun:
    """The run with new items, in new objects: requests that use the old ones are not disturbed.

    A run with item tokens gives each a token from its text. A model that reads titles, or writes them, reads those of
    the new items. A run whose items are words of its vocabulary (task `generate_ids`) cannot recommend new ones.

    Parameters
    ----------
    items
        Items that the run does not have.
    changed
        Items of the run whose titles or other texts have changed, which prompts show from now on.
    """
    catalogue = {**trained.dataset.catalogue, **changed}
    task = get_task(trained.run.recipe.prompt.task)
    if task.vocabulary(trained.run.recipe.prompt, trained.dataset.catalogue):
        items = []
    extended: Catalogue = {**catalogue, **{item.item_id: item for item in items}}
    dataset = replace(trained.dataset, catalogue=extended)
    if not task.item_tokens:
        recommender = make_recommender(trained.run, dataset, trained.recommender.model)
        return TrainedRun(trained.run, dataset, recommender)
    if not items:
        return replace(trained, dataset=dataset)
    return TrainedRun(trained.run, dataset, _with_tokens(trained, extended, [item.item_id for item in items]))


def _with_tokens(trained: TrainedRun, catalogue: Catalogue, ids: Sequence[str]) -> Any:
    """The recommender of a run with item tokens, with tokens for more items of the catalogue."""
    recommender = trained.recommender
    first = recommender.first_stage if isinstance(recommender, RerankedModel) else recommender
    encoder = load_encoder(trained.run.model)
    # The prompts of the encoder's texts need no token of the new items.
    writer = make_prompts(trained.run.recipe.prompt, catalogue, first.model.tokenizer)
    texts = [writer.encoder_text(item) for item in ids]
    vectors = encoder.encode(texts)
    scorer = None if first.scorer is None else first.scorer.extended(encoder.features(texts))
    if isinstance(first.model, NumpyModel):
        model: Any = first.model.extended(ids, vectors)
        prompts = make_prompts(trained.run.recipe.prompt, catalogue, model.tokenizer)
        extended: Any = NumpyItemRecommender(model, prompts, scorer)
    else:
        extended = _in_torch(trained, first, catalogue, ids, vectors, scorer)
    if not isinstance(recommender, RerankedModel):
        return extended
    sources = [ModelSource(extended, s.name) if isinstance(s, ModelSource) else s for s in recommender.sources]
    if isinstance(sources[0], ModelSource):
        return RerankedModel(recommender.with_new_items(ids, sources), extended)
    words = encoder.features([writer.encoder_text(item) for item in catalogue])
    stage = recommender.extended(ids, ItemTexts.of(catalogue, words))
    stage.sources = tuple(sources)
    return RerankedModel(stage, extended)


def _in_torch(
    trained: TrainedRun, first: Any, catalogue: Catalogue, ids: Sequence[str], vectors: Any, scorer: Any
) -> Any:
    import torch

    from shoptalk.models.graph_setup import with_items_added
    from shoptalk.recommend.items import ItemRecommender
    from shoptalk.schema import ITEM_OPENS

    items = first.model.items
    tokenizer = first.model.tokenizer.with_names(ITEM_OPENS, ids, items.first + len(items.ids))
    model = replace(first.model, tokenizer=tokenizer, items=items.extended(ids, torch.from_numpy(vectors)))
    model = with_items_added(model, catalogue)
    return ItemRecommender(model, make_prompts(trained.run.recipe.prompt, catalogue, tokenizer), scorer)


def extend_by_text(recommender: Any, catalogue: Catalogue, items: Sequence[Item]) -> TextNeighbours:
    """A method that scores all items, such as a baseline, with new items scored like the items with similar texts."""
    known = [catalogue[item] for item in recommender.items]
    vectors = ItemTexts.of({item.item_id: item for item in [*known, *items]}).tfidf
    return TextNeighbours(recommender, [item.item_id for item in items], vectors[: len(known)], vectors[len(known) :])


def popularity_counts(trained_dataset: Any) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """(I,) purchases of each item of a dataset."""
    rows = trained_dataset.rows
    return np.bincount(rows.code, minlength=len(rows.item_ids)).astype(np.float64)
