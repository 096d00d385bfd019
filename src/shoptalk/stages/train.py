"""Training: from a dataset and a recipe to a verified model in a run's folder."""

import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.errors import DatasetError, ModelError, RunError
from shoptalk.files import replacing
from shoptalk.models.base import LanguageModel, create, load, save
from shoptalk.prompts.tasks import Teller
from shoptalk.recipe import Recipe
from shoptalk.report.curves import draw_losses
from shoptalk.runs import Run, create_run, open_run
from shoptalk.stages.progress import Progress
from shoptalk.training.batching import make_batch
from shoptalk.training.loop import Material, fine_tune
from shoptalk.training.material import make_material


def train(recipe: Recipe, dataset: Path, out: Path, progress: Progress, *, resume: bool = False) -> dict[str, Any]:
    """Fine-tune what the recipe names on a dataset, and leave a verified model in the run's folder.

    Raises
    ------
    ShoptalkError
        For a dataset that does not fit the recipe, a folder that holds something else, a model that cannot be loaded.
    """
    shop = open_dataset(dataset)
    check_fit(recipe, shop)
    folder = open_run(out) if resume else create_run(out, recipe, dataset, shop.fingerprint)
    if resume:
        _check_same(folder, recipe, shop)
    if folder.trained:
        return dict(folder.info["training"])
    begin = time.perf_counter()
    model, material = _set_up(recipe, shop, progress)
    words = {"examples": len(material.train), "cut": material.train.cut, **model.parameters()}
    outcome = fine_tune(
        model, material, recipe.training, recipe.seed, out, resume=resume,
        notify=lambda done, of, loss, speed: progress("train", done, of, f"loss {loss:.3f}, {speed:,.0f} tokens/s"),
    )  # fmt: skip
    with replacing(folder.model) as temporary:
        save(model, temporary)
    verify(model, folder.model, material)
    if outcome.losses:
        draw_losses(outcome.losses, out / "loss.png")
    report = {**words, **asdict(outcome), "precision": model.precision, "seconds": time.perf_counter() - begin}
    folder.note(trained=True, training=report)
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return report


def verify(model: LanguageModel, saved: Path, material: Material) -> None:
    """Make sure that the model on disk is the one in memory: the same logits, or the run fails.

    Raises
    ------
    ModelError
        When the reloaded model says something else (an empty adapter, for instance).
    """
    again = load(saved)
    batch = make_batch(material.train, np.arange(min(4, len(material.train))))
    ids = torch.from_numpy(batch.ids).to(model.device)
    with torch.inference_mode():
        with model.autocast():
            before = model.head(model.hidden(ids)).float()
        with again.autocast():
            after = again.head(again.hidden(ids)).float()
    if not torch.allclose(before, after, atol=1e-4, rtol=1e-4):
        worst = float((before - after).abs().max())
        raise ModelError(
            f"the saved model differs from the trained one (by up to {worst:.3g} in a logit)", where=str(saved)
        )


def check_fit(recipe: Recipe, shop: Dataset) -> None:
    """Make sure that a recipe's cases are those of the dataset.

    Raises
    ------
    DatasetError
        Naming what differs.
    """
    hint = "make the dataset again with shoptalk prepare"
    for name in ("split", "candidates"):
        if getattr(recipe, name) != getattr(shop.recipe, name):
            raise DatasetError(f"the recipe's [{name}] is not the dataset's", where=str(shop.folder), hint=hint)
    if recipe.data.cleaning != shop.recipe.data.cleaning:
        raise DatasetError("the recipe's data.cleaning is not the dataset's", where=str(shop.folder), hint=hint)
    if missing := set(recipe.prompt.fields) - set(shop.recipe.prompt.fields) - {"title"}:
        raise DatasetError(f"the dataset has no {', '.join(sorted(missing))}", where=str(shop.folder), hint=hint)


def _set_up(recipe: Recipe, shop: Dataset, progress: Progress) -> tuple[LanguageModel, Material]:
    progress(
        "tokens", 0, 1, "training the tokenizer" if recipe.model.base == "nano" else f"loading {recipe.model.base}"
    )
    titles = (item.title for item in shop.catalogue.values())
    model = create(recipe.model, recipe.lora, titles, recipe.seed, recipe.prompt.max_tokens)
    teller = Teller(recipe.prompt, shop.catalogue, model.tokenizer.control)
    progress("tokens", 0, 1, "encoding examples")
    exam = shop.split("last").train_cases
    material = make_material(recipe, shop.split(recipe.training.targets), exam, teller, model)
    progress("tokens", 1, 1, f"{len(material.train):,} examples, {len(material.train.ids):,} tokens")
    return model, material


def _check_same(run: Run, recipe: Recipe, shop: Dataset) -> None:
    if run.recipe != recipe:
        raise RunError("the recipe is not the one that this run began with", where=str(run.folder / "recipe.toml"))
    if run.info["fingerprint"] != shop.fingerprint:
        raise RunError("the dataset is not the one that this run began with", where=str(shop.folder))
