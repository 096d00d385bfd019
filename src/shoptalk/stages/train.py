"""Train: from a dataset and a recipe to a verified model in a run's folder."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from shoptalk.data.dataset import Dataset, check_fit
from shoptalk.errors import ModelError, RunError
from shoptalk.files import replacing
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.storage import load, save
from shoptalk.progress import Progress
from shoptalk.recipe import Recipe
from shoptalk.recommend.items import ItemRecommender
from shoptalk.recommend.transition_text import MixingWeights, save_transition_text
from shoptalk.results import as_json
from shoptalk.runs import Run, create_run, open_run
from shoptalk.second_stage.fitting import RankerChoice
from shoptalk.stages.beginning import begin
from shoptalk.stages.model_setup import ModelSetup, set_up
from shoptalk.stages.second_stage import choose_second_stage, describe, is_better, write_second_stage
from shoptalk.stages.trained_run import TrainedRun, make_recommender, open_trained_run
from shoptalk.stages.training_cost import CostMeter
from shoptalk.stages.transition_text import choose_mixing_weights, make_transition_text
from shoptalk.tasks import check_recipe, choose_sizes, get_task
from shoptalk.tasks.sizes import DataSize
from shoptalk.training.batching import make_batch
from shoptalk.training.loop import CHECKPOINTS, Outcome, TrainingData, fine_tune
from shoptalk.training.trackers import Tracker, make_trackers

#: In a run's folder: the checkpoints of the final fit.
REFIT = "refit"


def train(
    recipe: Recipe,
    dataset: Dataset,
    out: Path,
    progress: Progress,
    *,
    resume: bool = False,
    watch: Sequence[Tracker] = (),
) -> TrainedRun:
    """Fine-tune the model of a recipe on a dataset; the verified model is saved in the run's folder.

    Parameters
    ----------
    watch
        More trackers, which follow the training that selects the number of epochs.

    Returns
    -------
    TrainedRun
        Its recommender is the saved model, loaded again. What training cost is in ``run.info["training"]``.

    Raises
    ------
    ShoptalkError
        For a dataset that does not fit the recipe, a folder that holds something else, or a model that cannot be
        loaded.
    """
    check_recipe(recipe)
    check_fit(recipe, dataset)
    recipe = choose_sizes(recipe, _size_of(dataset))
    trackers = make_trackers(recipe)
    run = open_run(out) if resume else create_run(out, recipe, dataset.folder, dataset.fingerprint)
    if resume:
        _check_same(run, recipe, dataset)
    if run.trained:
        return open_trained_run(run, dataset)
    with CostMeter(out / CHECKPOINTS, resume=resume) as cost:
        trained = _train(run, recipe, dataset, progress, cost, resume=resume, trackers=trackers, watch=watch)
    for folder in (out / CHECKPOINTS, out / REFIT / CHECKPOINTS):
        shutil.rmtree(folder, ignore_errors=True)
    return trained


def _train(
    run: Run,
    recipe: Recipe,
    dataset: Dataset,
    progress: Progress,
    cost: CostMeter,
    *,
    resume: bool,
    trackers: Sequence[Tracker],
    watch: Sequence[Tracker],
) -> TrainedRun:
    """Select the number of epochs, choose the mixing weights, fit again, save and verify."""
    beginning = begin(run, recipe)
    recipe = beginning.recipe
    set_up_model = partial(set_up, recipe, dataset, progress, day=run.prompt_date, origin=beginning.origin)
    learn = partial(fine_tune, recipe=recipe.training, seed=recipe.seed, resume=resume, progress=progress)
    setup = set_up_model()
    beginning = beginning.note_base(setup.model)
    facts = {
        "examples": len(setup.data.train),
        "cut": setup.data.train.cut,
        **setup.model.parameters(),
        "shortened": setup.builder.shortened.as_dict(),
    }
    outcome: Outcome = learn(setup.model, setup.data, run=run.folder, trackers=[*trackers, *watch])
    mixing = _choose_mixing_weights(recipe, setup, progress) if recipe.items.transition_text else None
    second_stage = _choose_second_stage(recipe, setup, mixing, progress)
    if recipe.training.refit:
        setup = set_up_model(refit=True)
        final = learn(setup.model, setup.data, run=run.folder / REFIT, epochs=outcome.epochs, trackers=trackers)
        outcome = replace(outcome, tokens=outcome.tokens + final.tokens)
    with replacing(run.model) as temporary:
        _save(setup, mixing, temporary)
        if second_stage is not None and is_better(second_stage):
            _write_second_stage(recipe, setup, mixing, second_stage, temporary)
    saved = verify(setup.model, run.model, setup.data)
    if second_stage is not None:
        facts["ranking"] = as_json(describe(second_stage))
    training = {**facts, **asdict(outcome), "precision": setup.model.precision, **as_json(cost.read())}
    files = sorted(path.relative_to(run.model).as_posix() for path in run.model.rglob("*") if path.is_file())
    run = beginning.run.note(trained=True, training=training, files=files)
    del setup  # frees the trained model before the saved one builds its tables
    return TrainedRun(run, dataset, make_recommender(run, dataset, saved))


def _size_of(dataset: Dataset) -> DataSize:
    counts = dataset.info["kept"]
    return DataSize(counts["users"], counts["items"], counts["interactions"])


def verify(model: LanguageModel, folder: Path, data: TrainingData) -> LanguageModel:
    """Load the saved model, and make sure that it gives the logits of the trained one.

    Returns
    -------
    LanguageModel
        The saved model.

    Raises
    ------
    ModelError
        If the logits differ, because the saved adapter is empty, for instance.
    """
    saved = load(folder)
    batch = make_batch(data.train, np.arange(min(4, len(data.train))))
    ids = torch.from_numpy(batch.ids).to(model.device)
    with torch.inference_mode():
        expected, loaded = _logits(model, ids), _logits(saved, ids)
    if not torch.allclose(expected, loaded, atol=1e-4, rtol=1e-4):
        difference = float((expected - loaded).abs().max())
        raise ModelError(
            f"the saved model differs from the trained one (by up to {difference:.3g} in a logit)", where=str(folder)
        )
    return saved


def _logits(model: LanguageModel, ids: torch.Tensor) -> torch.Tensor:
    """(B, T, V) logits of the words; with item tokens, those of the items behind them."""
    with model.autocast():
        hidden = model.hidden(ids)
        logits: torch.Tensor = model.logits(hidden).float()
        if model.items is None:
            return logits
        table = model.items.table()
        return torch.cat([logits, (hidden @ table.vectors.T + table.biases).float()], dim=-1)


def _choose_mixing_weights(recipe: Recipe, setup: ModelSetup, progress: Progress) -> MixingWeights:
    progress("scorer", 0, 1, "choosing the mixing weights on validation cases")
    model = ItemRecommender(setup.model, setup.builder)
    mixing = choose_mixing_weights(
        model, setup.split, setup.text_features, recipe.seed, cold_start_items=recipe.items.cold_start_items
    )
    progress("scorer", 1, 1, f"edges {mixing.edges:g}, words {mixing.words:g}")
    return mixing


def _recommender(setup: ModelSetup, mixing: MixingWeights | None) -> ItemRecommender:
    """The model with its transition-text scorer, as it ranks without a second stage."""
    items = list(setup.builder.catalogue)
    scorer = None if mixing is None else make_transition_text(setup.split, items, setup.text_features, mixing)
    return ItemRecommender(setup.model, setup.builder, scorer)


def _choose_second_stage(
    recipe: Recipe, setup: ModelSetup, mixing: MixingWeights | None, progress: Progress
) -> RankerChoice | None:
    """The ranker that validation chooses, with the model of the first training; None where the recipe wants none."""
    if recipe.items.second_stage == "off" or not get_task(recipe.prompt.task).item_tokens:
        return None
    features = None if setup.encoder is None else setup.text_features
    catalogue = setup.builder.catalogue
    return choose_second_stage(_recommender(setup, mixing), setup.split, catalogue, features, recipe.seed, progress)


def _write_second_stage(
    recipe: Recipe, setup: ModelSetup, mixing: MixingWeights | None, choice: RankerChoice, folder: Path
) -> None:
    """Write the second stage with sources of what the final model has learned from."""
    features = None if setup.encoder is None else setup.text_features
    recommender = _recommender(setup, mixing)
    write_second_stage(choice, recommender, setup.split.train, setup.builder.catalogue, features, recipe.seed, folder)


def _save(setup: ModelSetup, mixing: MixingWeights | None, folder: Path) -> None:
    """Write the model with everything that recommending needs."""
    save(setup.model, folder)
    if setup.encoder is not None:
        setup.encoder.save(folder)
    if mixing is not None:
        scorer = make_transition_text(setup.split, list(setup.builder.catalogue), setup.text_features, mixing)
        save_transition_text(scorer, folder)


def _check_same(run: Run, recipe: Recipe, dataset: Dataset) -> None:
    """Resuming needs the recipe and the dataset that the run began with."""
    if run.recipe != recipe:
        raise RunError("the recipe is not the one that this run began with", where=str(run.folder / "recipe.toml"))
    if run.info["fingerprint"] != dataset.fingerprint:
        raise RunError("the dataset is not the one that this run began with", where=str(dataset.folder))
