"""Adds new items to a trained run: each gets an item token from its text, and nothing is trained."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from shoptalk.data.cold_start_items import read_cold_start_items
from shoptalk.errors import RunError
from shoptalk.files import replacing
from shoptalk.models.encoders import load_encoder
from shoptalk.models.graph_setup import with_items_added
from shoptalk.models.storage import load, save
from shoptalk.recommend.transition_text import load_transition_text, save_transition_text
from shoptalk.runs import Run, open_run
from shoptalk.schema import ITEM_OPENS, Catalogue, Item
from shoptalk.stages.load_dataset import NEW_ITEMS, new_items, open_run_dataset
from shoptalk.stages.second_stage import extend_second_stage
from shoptalk.tasks import get_task, make_prompts


def add_items(folder: Path, file: Path) -> dict[str, int]:
    """Add the new items of a file to the model of a run.

    Items that the model already has stay as they are. The model folder is replaced in one step, or not changed at all.

    Parameters
    ----------
    folder
        Folder of a trained run with item tokens.
    file
        Table or JSON lines of items, read as the source of the run's recipe.

    Returns
    -------
    dict
        ``added`` and ``known``: numbers of items of the file that were new, and that the model already had; ``items``:
        number of items that the model now has.

    Raises
    ------
    ShoptalkError
        If the run has no item tokens, or the file cannot be read.
    """
    run = open_run(folder)
    task = get_task(run.recipe.prompt.task)
    if not (task.item_tokens and run.trained):
        raise RunError("this run has no item tokens", where=str(folder), hint='train with prompt.task = "next_item"')
    catalogue = open_run_dataset(run).catalogue
    listed = read_cold_start_items(file, run.recipe)
    added = [item for item in listed if item.item_id not in catalogue]
    if not added:
        return {"added": 0, "known": len(listed), "items": len(catalogue)}
    with replacing(run.model) as temporary:
        extend_model(run, catalogue, added, temporary)
    return {"added": len(added), "known": len(listed) - len(added), "items": len(catalogue) + len(added)}


def extend_model(run: Run, catalogue: Catalogue, added: Sequence[Item], folder: Path) -> None:
    """Write the model of a run with item tokens into a new folder, with more items.

    Parameters
    ----------
    catalogue
        The items that the model has.
    added
        Items that it does not have.
    """
    model, encoder = load(run.model), load_encoder(run.model)
    assert model.items is not None  # as the task has item tokens
    items = {**catalogue, **{item.item_id: item for item in added}}
    builder = make_prompts(run.recipe.prompt, items, model.tokenizer)
    ids = [item.item_id for item in added]
    texts = [builder.encoder_text(item) for item in ids]
    vectors, scorer = encoder.encode(texts), load_transition_text(run.model)
    token_ids = model.tokenizer.add_names(ITEM_OPENS, ids)
    first = model.items.first + len(model.items.ids)
    if token_ids != list(range(first, first + len(ids))):
        raise RunError("the token ids of the new items do not follow those of the other items", where=str(run.folder))
    extended = replace(model, items=model.items.extended(ids, torch.from_numpy(vectors)))
    extended = with_items_added(extended, items)
    shutil.copytree(run.model, folder)
    save(extended, folder)
    if scorer is not None:
        save_transition_text(scorer.extended(encoder.features(texts)), folder)
    extend_second_stage(folder, items, ids, lambda: encoder.features([builder.encoder_text(item) for item in items]))
    pq.write_table(pa.Table.from_pylist([asdict(item) for item in [*new_items(run.model), *added]]), folder / NEW_ITEMS)
