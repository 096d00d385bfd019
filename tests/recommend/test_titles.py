"""Generated titles."""

from pathlib import Path

from shoptalk.progress import silent
from shoptalk.recipe import Training
from shoptalk.recommend.titles import generate_titles
from shoptalk.training.examples import encode_cases
from shoptalk.training.loop import TrainingData, fine_tune
from tests.recommend.test_options import recommender
from tests.words import CATALOGUE, eval_data


def test_a_model_that_learned_its_examples_says_their_titles(tmp_path: Path) -> None:
    cases = eval_data(4)
    model = recommender(style="alpaca")
    tokens = encode_cases(cases, model.builder, model.model.tokenizer)
    recipe = Training(overfit=True, learning_rate=1e-2, checkpoint_seconds=1e9)
    fine_tune(model.model, TrainingData(tokens, tokens), recipe, 1, tmp_path, resume=False, progress=silent)
    stated = generate_titles(model.model, model.builder, [case.history for case in cases])
    assert stated == [CATALOGUE[case.targets[0]].title for case in cases]
