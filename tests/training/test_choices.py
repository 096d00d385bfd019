"""The loss of the options phase is the cross-entropy of the scores that the evaluation gives."""

import numpy as np
import pytest
import torch

from shoptalk.api.settings import make_recipe
from shoptalk.recipe import Prompt
from shoptalk.recommend.options import LanguageModelRecommender
from shoptalk.training.phases import choice_loss
from shoptalk.training.training_data import encode_choices
from tests.words import CATALOGUE, eval_data, prompt_builder, small_model


@pytest.mark.parametrize("scoring", ["sum", "mean", "pmi"])
@pytest.mark.parametrize("task", ["generate_title", "multiple_choice"])
def test_loss_is_that_of_the_scores(task: str, scoring: str) -> None:
    model = small_model()
    model.network.eval()
    builder = prompt_builder(Prompt.model_validate({"task": task, "style": "plain"}), CATALOGUE)
    cases = eval_data(8)
    data = {"source": "table", "interactions": "i.parquet", "items": "i.parquet"}
    recipe = make_recipe({"name": "choices", "data": data, "evaluation": {"scoring": scoring}}, {})
    choices = encode_choices(cases, recipe, builder, model)
    with torch.inference_mode():
        loss, count = choice_loss(model, choices, np.arange(8))
    scores = LanguageModelRecommender(model, builder, scoring).score(
        [case.history for case in cases], [case.candidates for case in cases]
    )
    shares = [row - np.logaddexp.reduce(row) for row in scores]
    expected = -sum(row[case.answer] for row, case in zip(shares, cases, strict=True))
    assert count == 8
    assert float(loss) == pytest.approx(expected, abs=1e-3)
    assert len(choices.lengths) == 8
