"""Set a training up: the model of a recipe with its tokens, its prompts, and its examples."""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from shoptalk.data.dataset import Dataset
from shoptalk.graph.user_items import UserItemGraph, users_of
from shoptalk.models.bases import Base, item_folder
from shoptalk.models.create import create
from shoptalk.models.encoders import Encoder, load_encoder, make_encoder
from shoptalk.models.graph_setup import continue_graph, with_graph
from shoptalk.models.item_embeddings import continue_items, with_items
from shoptalk.models.language_model import LanguageModel
from shoptalk.progress import Progress
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.shorten import shortening_lines
from shoptalk.recipe import Recipe, decided
from shoptalk.schema import Split
from shoptalk.stages.transition_text import withhold
from shoptalk.tasks import get_task, make_prompts
from shoptalk.training.loop import TrainingData


@dataclass(frozen=True, slots=True)
class ModelSetup:
    """A model and what it is trained on.

    Attributes
    ----------
    model
        With item tokens where the task has them.
    builder
        Its prompts.
    split
        The histories that it learns from.
    data
        The examples in token ids.
    encoder
        The text encoder of the item tokens.
    """

    model: LanguageModel
    builder: PromptBuilder
    split: Split
    data: TrainingData
    encoder: Encoder | None = None

    @property
    def text_features(self) -> Any:
        """(I, F) text features of the items, for the transition-text scorer."""
        assert self.encoder is not None  # the recipe has item tokens
        return self.encoder.features([self.builder.encoder_text(item) for item in self.builder.catalogue])


def set_up(
    recipe: Recipe,
    dataset: Dataset,
    progress: Progress,
    *,
    refit: bool = False,
    day: date | None = None,
    origin: Base | None = None,
) -> ModelSetup:
    """Create the model of a recipe and the examples that it learns from.

    Parameters
    ----------
    refit
        Also learn from validation purchases.
    day
        The date that a chat template writes into prompts; None for today.
    origin
        The base that the run began with.

    Raises
    ------
    ShoptalkError
        For a base or an encoder that cannot be loaded, or data that gives no example.
    """
    progress("tokens", 0, 1, _first_step(recipe))
    split, last = (replace(dataset.split(targets), refit=refit) for targets in (recipe.training.targets, "last"))
    if recipe.items.cold_start_items and not refit:
        split = withhold(split, list(dataset.catalogue), recipe.seed)
    split, last = split.for_final_fit(), last.for_final_fit()
    task = get_task(recipe.prompt.task)
    model = create(
        recipe.model,
        recipe.lora,
        (item.title for item in dataset.catalogue.values()),
        recipe.seed,
        recipe.prompt.max_tokens,
        task.vocabulary(recipe.prompt, dataset.catalogue),
        [history.user_id for history in split.train] if recipe.prompt.user else (),
        origin,
    )
    if day is not None:
        model.tokenizer.freeze_date(day)
    builder = make_prompts(recipe.prompt, dataset.catalogue, model.tokenizer)
    encoder = None
    if task.item_tokens:
        model, encoder = _with_item_tokens(recipe, model, builder, split)
    model = _with_graph(recipe, dataset, model, builder, split)
    for note in model.notes:
        progress("tokens", 0, 1, note)
    progress("tokens", 0, 1, "encoding examples")
    data = task.training_data(recipe, split, last.train_cases, builder, model)
    progress("tokens", 1, 1, f"{len(data.train):,} examples, {len(data.train.ids):,} tokens")
    for line in shortening_lines(builder.shortened.as_dict()):
        progress("tokens", 1, 1, line)
    return ModelSetup(model, builder, split, data, encoder)


def _first_step(recipe: Recipe) -> str:
    return "training the tokenizer" if recipe.model.base == "nano" else f"loading {recipe.model.base}"


def _with_graph(
    recipe: Recipe, dataset: Dataset, model: LanguageModel, builder: PromptBuilder, split: Split
) -> LanguageModel:
    """Add graph attention; its graph has the purchases that the model learns from, and no others.

    The exception is the form ``all-edges``, which reproduces a published leak and which the audit reports.
    """
    form = recipe.model.graph_attention
    if form != "off":
        histories = dataset.histories() if form == "all-edges" else split.train
        graph = UserItemGraph.of(histories, builder.catalogue)
        model = with_graph(model, form, graph, users_of(histories), list(builder.catalogue))
    return model if recipe.model.base == "nano" else continue_graph(model, Path(recipe.model.base).expanduser())


def _with_item_tokens(
    recipe: Recipe, model: LanguageModel, builder: PromptBuilder, split: Split
) -> tuple[LanguageModel, Encoder | None]:
    """Add a token for each item; items with training interactions get a learned residual."""
    ids = list(builder.catalogue)
    bought = {item for history in split.train for item in history.items}
    has_interactions = np.array([item in bought for item in ids], dtype=np.bool_)
    previous = item_folder(recipe.model.base, recipe.items.encoder)
    if recipe.items.encoder == "none":
        model = with_items(model, ids, None, has_interactions, 0)
        return continue_items(model, previous) if previous else model, None
    texts = [builder.encoder_text(item) for item in ids]
    encoder = (
        load_encoder(previous)
        if previous
        else make_encoder(recipe.items.encoder, texts, decided(recipe.items.dimensions), recipe.seed)
    )
    model = with_items(model, ids, encoder.encode(texts), has_interactions, recipe.items.dropout)
    return continue_items(model, previous) if previous else model, encoder
