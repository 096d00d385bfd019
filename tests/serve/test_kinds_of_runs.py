"""Runs of every kind can be served: options in the prompt, titles, one product at a time, and lists."""

import shutil
from pathlib import Path

import pytest

from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.progress import silent
from shoptalk.recipe import read_recipe
from shoptalk.stages.train import train
from tests.serve.conftest import Start, ids, recommend, service

_SHARED = [
    "model.width=32",
    "model.layers=1",
    "model.precision=fp32",
    "model.vocabulary=300",
    "training.epochs=1",
    "training.pretrain_epochs=0",
    "training.choice_epochs=0",
    "training.targets=last",
    "prompt.max_tokens=768",
]


@pytest.mark.parametrize(
    ("task", "method"),
    [
        (["prompt.task=multiple_choice", "prompt.style=alpaca", "prompt.answer=letter"], "model among 26 of text_knn"),
        (["prompt.task=generate_title", "prompt.style=plain"], "model"),
        (["prompt.task=pointwise", "prompt.style=alpaca"], "model among 50 of text_knn"),
        (["prompt.task=generate_ids", "prompt.style=alpaca"], "model"),
    ],
)
def test_runs_of_every_task_are_served(start: Start, tmp_path: Path, task: list[str], method: str) -> None:
    write_sample(tmp_path, users=60, items=70)
    recipe = read_recipe(tmp_path / "recipe.toml", [*_SHARED, *task])
    prepare(recipe, tmp_path / "dataset")
    train(recipe, open_dataset(tmp_path / "dataset"), tmp_path / "run", silent)
    shutil.move(tmp_path / "dataset", tmp_path / "run" / "dataset")
    client = start(tmp_path / "run")
    dataset = service(client).state.arms[0].dataset
    user = str(dataset.rows.users[0])

    answer = recommend(client, user=user, k=5)
    assert (answer["method"], answer["fallback"]) == (method, None)
    assert len(set(ids(answer))) == len(ids(answer)) == 5
    assert not set(ids(answer)) & set(dataset.history(user).items)
    kept = ids(answer)[1:]
    without = recommend(client, user=user, k=4, filters={"deny": ids(answer)[:1]})
    assert len(ids(without)) == 4
    assert ids(answer)[0] not in ids(without)
    assert ids(without) == kept or "26 of" in method  # options in a prompt depend on each other

    options = ids(answer)
    scored = client.post("/v1/score", json={"user": user, "options": options})
    assert scored.status_code == 200, scored.text
    assert sorted(ids(scored.json())) == sorted(options)
