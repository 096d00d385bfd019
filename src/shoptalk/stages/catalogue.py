"""New products in a trained run: recommendable at once, told by their words alone."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from shoptalk.data.cold_start_items import read_cold_start_items
from shoptalk.errors import RunError
from shoptalk.files import replacing
from shoptalk.models.encoders import load_encoder
from shoptalk.models.storage import load, save
from shoptalk.recommend.transition_text import load_transition_text, save_transition_text
from shoptalk.runs import open_run
from shoptalk.schema import ITEM_OPENS
from shoptalk.stages.load_dataset import NEW_ITEMS, new_items, open_run_dataset
from shoptalk.stages.second_stage import extend_second_stage
from shoptalk.tasks import get_task, make_prompts


def add_items(folder: Path, file: Path) -> dict[str, int]:
    """Give a run's model a token for each new item of a file; nothing is trained.

    Items that the model knows already are left as they are. The model's folder changes in one step, or not at all.

    Returns
    -------
    dict
        ``added`` and ``known`` (how many items), ``items`` (how many the model has now).

    Raises
    ------
    ShoptalkError
        For a run without item tokens, or a file that cannot be read.
    """
    run = open_run(folder)
    task = get_task(run.recipe.prompt.task)
    if not (task.item_tokens and run.trained):
        raise RunError("this run has no item tokens", where=str(folder), hint='train with prompt.task = "next_item"')
    catalogue = open_run_dataset(run).catalogue
    given = read_cold_start_items(file, run.recipe)
    new = [item for item in given if item.item_id not in catalogue]
    if not new:
        return {"added": 0, "known": len(given), "items": len(catalogue)}
    model, encoder = load(run.model), load_encoder(run.model)
    assert model.items is not None  # the run's task is `items`
    items = {**catalogue, **{item.item_id: item for item in new}}
    builder = make_prompts(run.recipe.prompt, items, model.tokenizer)
    ids = [item.item_id for item in new]
    words = [builder.words(item) for item in ids]
    text, scorer = encoder.encode(words), load_transition_text(run.model)
    indices = model.tokenizer.add_names(ITEM_OPENS, ids)
    last = model.items.first + len(model.items.ids)
    if indices != list(range(last, last + len(ids))):
        raise RunError("the new items' tokens do not follow those of the others", where=str(folder))
    grown = replace(model, items=model.items.extended(ids, torch.from_numpy(text)))
    with replacing(run.model) as temporary:
        shutil.copytree(run.model, temporary)
        save(grown, temporary)
        if scorer is not None:
            save_transition_text(scorer.extended(encoder.features(words)), temporary)
        extend_second_stage(temporary, items, ids, lambda: encoder.features([builder.words(item) for item in items]))
        pq.write_table(
            pa.Table.from_pylist([asdict(item) for item in [*new_items(run.model), *new]]), temporary / NEW_ITEMS
        )
    return {"added": len(new), "known": len(given) - len(new), "items": len(catalogue) + len(new)}
