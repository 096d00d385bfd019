"""Graph attention from a recipe to recommendations and the audit, on a small generated dataset."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.errors import RecipeError
from shoptalk.experiment import evaluate
from shoptalk.graph.storage import load_graph
from shoptalk.models.storage import load
from shoptalk.progress import silent
from shoptalk.recipe import Recipe
from shoptalk.runs import open_run
from shoptalk.schema import History
from shoptalk.stages.audit import audit_run
from shoptalk.stages.catalogue import add_items
from shoptalk.stages.train import train
from shoptalk.stages.trained_run import open_trained_run
from shoptalk.tasks import load_recipe
from tests.stages.conftest import SMALL

FORMS = ["ones", "published", "learned", "all-edges"]
SETTINGS = [
    *SMALL,
    "split.method=leave-one-out",
    "split.history=0",
    "prompt.user=true",
    "items.transition_text=false",
    "items.second_stage=off",
    "training.learning_rate=0.01",
    "training.batch_tokens=128",
    "evaluation.resamples=100",
    'evaluation.baselines=["popularity"]',
    'data.keep=["brand", "categories", "price"]',
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("graph")
    write_sample(folder, users=120, items=60)
    prepare(recipe(folder), folder / "dataset")
    return open_dataset(folder / "dataset")


def recipe(folder: Path, *more: str) -> Recipe:
    return load_recipe(folder / "recipe.toml", [*SETTINGS, *more])


@pytest.fixture(scope="module", params=FORMS)
def run(request: pytest.FixtureRequest, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each form, trained twice: the second time with validation purchases."""
    out = tmp_path_factory.mktemp("runs") / request.param
    form = f"model.graph_attention={request.param}"
    train(recipe(dataset.folder.parent, form, "training.refit=true", "training.epochs=2"), dataset, out, silent)
    return out


def edges(dataset: Dataset, run: Path) -> set[tuple[str, str]]:
    """The purchases in the graph of a saved model, whose users are in the order of their tokens."""
    graph, arrays = load_graph(run / "model")
    tokens = load(run / "model").tokenizer.hugging_face.convert_ids_to_tokens(arrays["user_tokens"].tolist())
    users = dict(zip(arrays["user_nodes"].tolist(), tokens, strict=True))
    items = list(dataset.catalogue)
    return {
        (users[user][len("<|user_") : -2], items[item]) for user, item in zip(*graph.purchases.nonzero(), strict=True)
    }


def test_the_graph_holds_what_the_final_fit_sees(dataset: Dataset, run: Path) -> None:
    split = dataset.split("every")
    before_test = {(case.history.user_id, item) for case in split.test for item in case.history.items}
    test = {(case.history.user_id, item) for case in split.test for item in case.targets}
    expected = before_test | test if run.name == "all-edges" else before_test
    assert test - before_test
    assert edges(dataset, run) == expected


def test_it_is_served_as_it_was_trained(dataset: Dataset, run: Path) -> None:
    recommender = open_trained_run(open_run(run), dataset, single=True).recommender
    split = dataset.split("every")
    known = [case.history for case in split.test][:20]
    unknown = [History("nobody", history.items) for history in known]
    model = load(run / "model")
    assert model.graph is not None
    for histories in (known, unknown):
        scores = recommender.score_all(histories)
        for row, history in zip(scores, histories, strict=True):  # one by one: without batches and padding
            ids = torch.tensor([recommender.ask(history)[0]])
            with torch.no_grad():
                table = model.items.table()
                expected = model.hidden(ids)[0, -1] @ table.vectors.T + table.biases
            assert np.allclose(row, expected.numpy(), atol=1e-4)
    bias = model.graph.bias(torch.tensor([recommender.ask(known[0])[0]]))
    assert bias.of_layer(0).abs().sum() > 0


def test_scalars_are_learned(run: Path) -> None:
    scalars = load(run / "model").graph.scalars
    assert (scalars is not None) == (run.name == "learned")
    if scalars is not None:
        assert (scalars != 0).any(1).any(0).sum() >= 5
    training = open_run(run).info["training"]
    plain = sum(weight.numel() for weight in load(run / "model").network.parameters())
    assert training["parameters"] > plain


def test_the_audit_names_the_leak(dataset: Dataset, run: Path, without_report: None) -> None:
    evaluate(run, silent)
    result = audit_run(open_run(run), dataset, silent)
    finding = next(finding for finding in result.findings if finding.check == "test_in_attention")
    assert (finding.severity == "fail") == (run.name == "all-edges")
    assert finding.size.value == (1 if run.name == "all-edges" else 0)


def test_new_items_join_the_graph(dataset: Dataset, run: Path, tmp_path: Path) -> None:
    if run.name != "learned":
        pytest.skip("one form is enough")
    before, _ = load_graph(run / "model")
    item = next(iter(dataset.catalogue.values()))
    row = {"item_id": "NEW1", "title": "A new product", "brand": item.brand, "categories": list(item.categories)}
    (tmp_path / "new.json").write_text(json.dumps(row) + "\n")
    assert add_items(run, tmp_path / "new.json")["added"] == 1
    after, _ = load_graph(run / "model")
    assert after.purchases.shape == (before.user_count, before.item_count + 1)
    assert not after.purchases[:, [-1]].nnz
    assert after.brand[-1] == after.brand[0] >= 0
    assert load(run / "model").graph.node_of_token.max() == after.node_count - 1


def test_tasks_without_item_tokens_are_refused(dataset: Dataset) -> None:
    for settings, message in (
        (["prompt.task=multiple_choice", "prompt.style=plain"], "cannot use model.graph_attention"),
        (["prompt.style=plain"], "needs item tokens in the history"),
    ):
        with pytest.raises(RecipeError, match=message):
            recipe(dataset.folder.parent, "model.graph_attention=published", *settings)
