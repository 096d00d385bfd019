"""Training: from a dataset and a recipe to a verified model in a run's folder."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from shoptalk.data.dataset import Dataset, check_fit, open_dataset
from shoptalk.errors import ModelError, RunError
from shoptalk.files import replacing
from shoptalk.models.bases import Base, item_folder
from shoptalk.models.create import create
from shoptalk.models.encoders import Encoder, load_encoder, make_encoder
from shoptalk.models.item_embeddings import continue_items, with_items
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.storage import load, save
from shoptalk.progress import Progress
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.shorten import shortening_lines
from shoptalk.recipe import Recipe
from shoptalk.recommend.items import ItemRecommender
from shoptalk.recommend.transition_text import MixingWeights, save_transition_text
from shoptalk.results import as_json
from shoptalk.runs import Run, create_run, open_run
from shoptalk.schema import Split
from shoptalk.second_stage.fitting import RankerChoice, describe
from shoptalk.stages.beginning import begin
from shoptalk.stages.second_stage import choose_second_stage, is_better, write_second_stage
from shoptalk.stages.training_cost import CostMeter
from shoptalk.stages.transition_text import choose_mixing_weights, make_transition_text, withhold
from shoptalk.tasks import check_recipe, get_task, make_prompts
from shoptalk.training.batching import make_batch
from shoptalk.training.loop import CHECKPOINTS, TrainingData, fine_tune
from shoptalk.training.trackers import Tracker, make_trackers


def train(
    recipe: Recipe, dataset: Path, out: Path, progress: Progress, *, resume: bool = False, watch: Sequence[Tracker] = ()
) -> dict[str, Any]:
    """Fine-tune what the recipe names on a dataset, and leave a verified model in the run's folder.

    Parameters
    ----------
    watch
        Told of the training as the recipe's own trackers are.

    Raises
    ------
    ShoptalkError
        For a dataset that does not fit the recipe, a folder that holds something else, a model that cannot be loaded.
    """
    check_recipe(recipe)
    shop = open_dataset(dataset)
    check_fit(recipe, shop)
    trackers = make_trackers(recipe)
    folder = open_run(out) if resume else create_run(out, recipe, dataset, shop.fingerprint)
    if resume:
        _check_same(folder, recipe, shop)
    if folder.trained:
        return dict(folder.info["training"])
    with CostMeter(out / CHECKPOINTS, resume=resume) as cost:
        report = _train(folder, recipe, shop, progress, cost, resume=resume, trackers=trackers, watch=watch)
    for rest in (out / CHECKPOINTS, out / "refit" / CHECKPOINTS):
        shutil.rmtree(rest, ignore_errors=True)
    return report


def _train(
    folder: Run,
    recipe: Recipe,
    shop: Dataset,
    progress: Progress,
    cost: CostMeter,
    *,
    resume: bool,
    trackers: Sequence[Tracker],
    watch: Sequence[Tracker],
) -> dict[str, Any]:
    """Train, save and verify the model of an opened run; what is reported of it is in ``run.json`` too."""
    out = folder.folder
    beginning = begin(folder, recipe)
    recipe, set_up = beginning.recipe, partial(_set_up, day=folder.prompt_date)
    fitted, training_data = set_up(recipe, shop, progress, origin=beginning.origin)
    model = fitted.model
    beginning = beginning.note_base(model)
    words: dict[str, Any] = {"examples": len(training_data.train), "cut": training_data.train.cut, **model.parameters()}
    words["shortened"] = fitted.builder.shortened.as_dict()

    learn = partial(fine_tune, recipe=recipe.training, seed=recipe.seed, resume=resume, progress=progress)
    outcome = learn(model, training_data, run=out, trackers=[*trackers, *watch])
    mixing = _choose_mixing_weights(recipe, fitted, progress) if recipe.items.transition_text else None
    second_stage = _choose_second_stage(recipe, fitted, mixing, progress)
    if recipe.training.refit:
        fitted, training_data = set_up(recipe, shop, progress, refit=True, origin=beginning.origin)
        model = fitted.model
        again = learn(model, training_data, run=out / "refit", epochs=outcome.epochs, trackers=trackers)
        outcome = replace(outcome, tokens=outcome.tokens + again.tokens)
    with replacing(folder.model) as temporary:
        _save(fitted, mixing, temporary)
        if second_stage is not None and is_better(second_stage):
            _write_second_stage(recipe, fitted, mixing, second_stage, temporary)
    verify(model, folder.model, training_data)
    if second_stage is not None:
        words["second_stage"] = describe(second_stage)
    report = {**words, **asdict(outcome), "precision": model.precision, **as_json(cost.read())}
    beginning.run.note(trained=True, training=report)
    return report


def verify(model: LanguageModel, saved: Path, training_data: TrainingData) -> None:
    """Make sure that the model on disk is the one in memory: the same logits, or the run fails.

    Raises
    ------
    ModelError
        When the reloaded model says something else (an empty adapter, for instance).
    """
    again = load(saved)
    batch = make_batch(training_data.train, np.arange(min(4, len(training_data.train))))
    ids = torch.from_numpy(batch.ids).to(model.device)
    with torch.inference_mode():
        before, after = _says(model, ids), _says(again, ids)
    if not torch.allclose(before, after, atol=1e-4, rtol=1e-4):
        worst = float((before - after).abs().max())
        raise ModelError(
            f"the saved model differs from the trained one (by up to {worst:.3g} in a logit)", where=str(saved)
        )


def _says(model: LanguageModel, ids: torch.Tensor) -> torch.Tensor:
    """Logits (B, T, V) of the words, and of the items where they have tokens."""
    with model.autocast():
        hidden = model.hidden(ids)
        logits: torch.Tensor = model.logits(hidden).float()
        if model.items is None:
            return logits
        table = model.items.table()
        return torch.cat([logits, (hidden @ table.vectors.T + table.biases).float()], dim=-1)


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A model ready for training; for item tokens with what it learns from, and what its items' words were told by."""

    model: LanguageModel
    builder: PromptBuilder
    split: Split
    encoder: Encoder | None = None

    @property
    def features(self) -> Any:
        """(I, W) all that is known of the items' words."""
        assert self.encoder is not None
        return self.encoder.features([self.builder.words(item) for item in self.builder.catalogue])


def _choose_mixing_weights(recipe: Recipe, fitted: _Fitted, progress: Progress) -> MixingWeights:
    progress("scorer", 0, 1, "choosing its shares on validation cases")
    model = ItemRecommender(fitted.model, fitted.builder)
    mixing = choose_mixing_weights(
        model, fitted.split, fitted.features, recipe.seed, cold_start_items=recipe.items.cold_start_items
    )
    progress("scorer", 1, 1, f"edges {mixing.edges:g}, words {mixing.words:g}")
    return mixing


def _recommender(fitted: _Fitted, mixing: MixingWeights | None) -> ItemRecommender:
    """The model with its transition-text scorer, as it ranks without a second stage."""
    items = list(fitted.builder.catalogue)
    scorer = None if mixing is None else make_transition_text(fitted.split, items, fitted.features, mixing)
    return ItemRecommender(fitted.model, fitted.builder, scorer)


def _choose_second_stage(
    recipe: Recipe, fitted: _Fitted, mixing: MixingWeights | None, progress: Progress
) -> RankerChoice | None:
    """The ranker that validation chooses, with the model of the first training; None where the recipe wants none."""
    if recipe.items.second_stage == "off" or not get_task(recipe.prompt.task).item_tokens:
        return None
    words = None if fitted.encoder is None else fitted.features
    catalogue = fitted.builder.catalogue
    return choose_second_stage(_recommender(fitted, mixing), fitted.split, catalogue, words, recipe.seed, progress)


def _write_second_stage(
    recipe: Recipe, fitted: _Fitted, mixing: MixingWeights | None, choice: RankerChoice, folder: Path
) -> None:
    """Write the second stage with sources of what the final model has learned from."""
    words = None if fitted.encoder is None else fitted.features
    recommender = _recommender(fitted, mixing)
    write_second_stage(choice, recommender, fitted.split.train, fitted.builder.catalogue, words, recipe.seed, folder)


def _save(fitted: _Fitted, mixing: MixingWeights | None, folder: Path) -> None:
    """Write the model with everything that recommending needs."""
    save(fitted.model, folder)
    if fitted.encoder is not None:
        fitted.encoder.save(folder)
    if mixing is not None:
        save_transition_text(
            make_transition_text(fitted.split, list(fitted.builder.catalogue), fitted.features, mixing), folder
        )


def _set_up(
    recipe: Recipe,
    shop: Dataset,
    progress: Progress,
    *,
    refit: bool = False,
    day: date | None = None,
    origin: Base | None = None,
) -> tuple[_Fitted, TrainingData]:
    progress(
        "tokens", 0, 1, "training the tokenizer" if recipe.model.base == "nano" else f"loading {recipe.model.base}"
    )
    split, eval_data = (replace(shop.split(targets), refit=refit) for targets in (recipe.training.targets, "last"))
    if recipe.items.cold_start_items and not refit:
        split = withhold(split, list(shop.catalogue), recipe.seed)
    split, eval_data = split.for_final_fit(), eval_data.for_final_fit()
    task = get_task(recipe.prompt.task)
    titles = (item.title for item in shop.catalogue.values())
    model = create(
        recipe.model,
        recipe.lora,
        titles,
        recipe.seed,
        recipe.prompt.max_tokens,
        task.vocabulary(recipe.prompt, shop.catalogue),
        [history.user_id for history in split.train] if recipe.prompt.user else (),
        origin,
    )
    if day is not None:
        model.tokenizer.freeze_date(day)
    builder = make_prompts(recipe.prompt, shop.catalogue, model.tokenizer)
    fitted = _Fitted(model, builder, split)
    if task.item_tokens:
        fitted = _with_items(recipe, fitted)
    for note in fitted.model.notes:
        progress("tokens", 0, 1, note)
    progress("tokens", 0, 1, "encoding examples")
    training_data = task.training_data(recipe, split, eval_data.train_cases, builder, fitted.model)
    progress("tokens", 1, 1, f"{len(training_data.train):,} examples, {len(training_data.train.ids):,} tokens")
    for line in shortening_lines(builder.shortened.as_dict()):
        progress("tokens", 1, 1, line)
    return fitted, training_data


def _with_items(recipe: Recipe, bare: _Fitted) -> _Fitted:
    """The model with a token for each item, told by its words; those bought in training have a learned part."""
    ids = list(bare.builder.catalogue)
    bought = {item for history in bare.split.train for item in history.items}
    known = np.array([item in bought for item in ids], dtype=np.bool_)
    former = item_folder(recipe.model.base, recipe.items.encoder)
    if recipe.items.encoder == "none":
        model = with_items(bare.model, ids, None, known, 0)
        return replace(bare, model=continue_items(model, former) if former else model)
    words = [bare.builder.words(item) for item in ids]
    encoder = (
        load_encoder(former)
        if former
        else make_encoder(recipe.items.encoder, words, recipe.items.dimensions, recipe.seed)
    )
    model = with_items(bare.model, ids, encoder.encode(words), known, recipe.items.dropout)
    if former:
        model = continue_items(model, former)
    return replace(bare, model=model, encoder=encoder)


def _check_same(run: Run, recipe: Recipe, shop: Dataset) -> None:
    if run.recipe != recipe:
        raise RunError("the recipe is not the one that this run began with", where=str(run.folder / "recipe.toml"))
    if run.info["fingerprint"] != shop.fingerprint:
        raise RunError("the dataset is not the one that this run began with", where=str(shop.folder))
