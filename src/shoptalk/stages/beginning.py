"""How a run began, kept in ``run.json``: a resumed training goes on with the same number format, base and encoder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoptalk.errors import RunError
from shoptalk.models.bases import Base, find_base, relocate
from shoptalk.models.encoders import encoder_folder, find_encoder, relocate_encoder
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.precision import DTYPES, choose_precision, device
from shoptalk.recipe import Recipe
from shoptalk.runs import Run


@dataclass(frozen=True, slots=True)
class Beginning:
    """A run, its recipe with what was chosen when it began, and its base with the hash, where that is known.

    The recipe names the number format that ``auto`` stands for, and absolute folders.
    """

    run: Run
    recipe: Recipe
    origin: Base | None

    def note_base(self, model: LanguageModel) -> "Beginning":
        """Keep what the model started from, and what was done to it."""
        origin = model.origin
        known = None if origin is None else {**origin.card(self.run.folder), "notes": model.notes}
        return Beginning(self.run.note(base=known), self.recipe, origin)


def begin(run: Run, recipe: Recipe) -> Beginning:
    """Choose what a new run begins with, and keep it; for one that has begun, take that again.

    Raises
    ------
    RunError
        When it cannot go on with its number format here.
    ModelError
        When its base or text encoder is gone or was replaced, or the number format of the recipe needs a GPU.
    """
    precision = _precision(run, recipe)
    origin = _base(run, recipe)
    encoder = _encoder(run, recipe)
    run = run.note(
        precision=precision,
        base=origin and origin.card(run.folder),
        encoder=encoder and find_encoder(encoder).card(run.folder),
    )
    model = {"precision": precision}
    if origin is not None and origin.path is not None:
        model["base"] = origin.path
    items = {} if encoder is None else {"encoder": str(encoder)}
    recipe = recipe.model_copy(
        update={"model": recipe.model.model_copy(update=model), "items": recipe.items.model_copy(update=items)}
    )
    return Beginning(run, recipe, origin)


def _precision(run: Run, recipe: Recipe) -> str:
    kept = run.info.get("precision")
    if kept is None:
        return choose_precision(recipe.model.precision)
    if kept not in DTYPES:
        raise RunError(
            f"damaged: precision is {kept!r}, not one of {', '.join(DTYPES)}",
            where=str(run.folder / "run.json"),
            hint="train again",
        )
    if kept == "fp16" and device().type == "cpu":
        raise RunError(
            "this run began in fp16, which needs a GPU", where=str(run.folder), hint="go on where there is one"
        )
    return str(kept)


def _base(run: Run, recipe: Recipe) -> Base | None:
    """The base of a run; None for a model with fresh weights, and for a name of the hub that is not cached yet."""
    if recipe.model.base == "nano":
        return None
    known = _kept(run, "base")
    if known is None:
        origin = find_base(recipe.model.base)
        return None if origin.path is None else origin
    index = relocate(known, run.folder, "base", "with which this run began", lambda path: find_base(path).sha256)
    return Base.from_card(known, index)


def _encoder(run: Run, recipe: Recipe) -> Path | None:
    """The folder of the text encoder, where the recipe names one."""
    known = _kept(run, "encoder")
    return encoder_folder(recipe.items.encoder) if known is None else relocate_encoder(known, run.folder)


def _kept(run: Run, name: str) -> dict[str, Any] | None:
    """A `Base.card` in ``run.json``; None where nothing was kept, or where the folder was not known."""
    known = run.info.get(name)
    if known is None or (isinstance(known, dict) and known.get("path") is None):
        return None
    keys = ("path", "relative", "sha256")
    if not isinstance(known, dict) or not all(isinstance(known.get(key), str) for key in keys):
        raise RunError(
            f"damaged: {name} needs path, relative and sha256", where=str(run.folder / "run.json"), hint="train again"
        )
    return known
