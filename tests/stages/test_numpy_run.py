"""A run that is opened for single histories is computed in NumPy, with the scores of torch."""

import json
from pathlib import Path

import numpy as np
import pytest

from shoptalk.errors import ModelError
from shoptalk.models.numpy_model import NumpyModel
from shoptalk.models.tokenizer import load_plain_tokenizer, load_tokenizer
from shoptalk.recommend.numpy_items import NumpyItemRecommender
from shoptalk.runs import open_run
from shoptalk.schema import History
from shoptalk.stages.trained_run import open_trained_run


def test_scores_and_lists_are_those_of_torch(trained: Path) -> None:
    run = open_run(trained)
    numpy, torch = open_trained_run(run, single=True), open_trained_run(run)
    assert isinstance(numpy.recommender, NumpyItemRecommender)
    histories = [*list(numpy.dataset.histories())[:20], History("", ())]
    assert np.abs(numpy.recommender.score_all(histories) - torch.recommender.score_all(histories)).max() < 1e-4
    for first, second in zip(numpy.recommender.rank(histories, 10), torch.recommender.rank(histories, 10), strict=True):
        assert first.items == second.items
        assert first.scores == pytest.approx(second.scores, abs=1e-4)


def test_the_tokenizer_is_that_of_transformers(trained: Path) -> None:
    plain, reference = load_plain_tokenizer(trained / "model"), load_tokenizer(str(trained / "model"))
    text = f"Rose soap, 2 é漢\n{reference.control[0]} <|item_" + next(iter(reference.names(300, 80))) + "|>"
    assert plain.encode(text) == reference.encode(text)
    assert plain.names_digest() == reference.names_digest()
    assert set(plain.control) == set(reference.control)
    assert (plain.start, plain.end, plain.pad_id) == (reference.start, reference.end, reference.pad_id)
    assert (plain.size, plain.users) == (reference.size, reference.users)


def test_a_model_trained_in_bf16_is_scored_in_fp32(items_run: Path) -> None:
    path = items_run / "model" / "shoptalk.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "precision": "bf16"}))
    run = open_run(items_run)
    numpy, torch = open_trained_run(run, single=True), open_trained_run(run)
    assert isinstance(numpy.recommender, NumpyItemRecommender)
    assert torch.recommender.model.precision == "bf16"
    histories = list(numpy.dataset.histories())[:20]
    assert np.abs(numpy.recommender.score_all(histories) - torch.recommender.score_all(histories)).max() < 1e-4


@pytest.mark.parametrize("change", ["file", "base"])
def test_other_models_are_computed_in_torch(items_run: Path, change: str) -> None:
    if change == "file":
        (items_run / "model" / "another_part.json").write_text("{}")
    else:
        path = items_run / "model" / "shoptalk.json"
        card = json.loads(path.read_text())
        path.write_text(json.dumps({**card, "base": "another"}))
    recommender = open_trained_run(open_run(items_run), single=True).recommender
    assert not isinstance(recommender.model, NumpyModel)


def test_damaged_weights_are_an_error(items_run: Path) -> None:
    path = items_run / "model" / "items.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match="damaged"):
        open_trained_run(open_run(items_run), single=True)
