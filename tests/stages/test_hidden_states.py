"""Item tokens whose text vectors are the hidden states of a language model, by the name of a prepared one."""

import json
from pathlib import Path

import numpy as np
import pytest

from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.models.encoders import load_encoder
from shoptalk.models.prepared import RECORD, VARIABLE
from shoptalk.models.storage import load, save
from shoptalk.progress import silent
from shoptalk.recipe import read_recipe
from shoptalk.stages.catalogue import add_items
from shoptalk.stages.train import train
from tests.words import small_model

SETTINGS = ["model.width=32", "model.layers=1", "model.vocabulary=300", "model.precision=fp32", "training.epochs=1",
            "training.pretrain_epochs=0", "training.choice_epochs=0", "prompt.task=next_item", "prompt.style=bare",
            "items.dimensions=8", "items.encoder=words", "items.transition_text=true",
            "training.trackers=[]"]  # fmt: skip


def test_a_run_and_its_new_items_have_the_vectors_of_a_prepared_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "models"))
    save(small_model(), tmp_path / "models" / "words")
    (tmp_path / "models" / "words" / RECORD).write_text(json.dumps({"kind": "folder", "name": "words"}))
    write_sample(tmp_path / "shop", users=30, items=20)
    recipe, run = read_recipe(tmp_path / "shop" / "recipe.toml", SETTINGS), tmp_path / "run"
    prepare(recipe, tmp_path / "dataset")
    dataset = open_dataset(tmp_path / "dataset")
    trained = train(recipe, dataset, run, silent)
    titles = [item.title for item in dataset.catalogue.values()]
    saved = load(run / "model").items
    assert saved is not None
    vectors = load_encoder(run / "model").encode(titles)
    assert vectors.shape[1] == 8
    np.testing.assert_allclose(saved.text_vectors.numpy(), vectors, atol=1e-5)
    assert trained.run.info["encoder"]["path"] == str(tmp_path / "models" / "words")
    new = tmp_path / "new.csv"
    new.write_text(f"item_id,title\nN1,{titles[0].replace(',', ' ')} new\n", encoding="utf-8")
    assert add_items(run, new)["added"] == 1
    extended = load(run / "model").items
    assert extended is not None
    expected = load_encoder(run / "model").encode([f"{titles[0].replace(',', ' ')} new"])[0]
    np.testing.assert_allclose(extended.text_vectors[-1].numpy(), expected, atol=1e-4)
