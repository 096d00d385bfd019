"""Scores of options."""

import numpy as np
import pytest
import torch

from shoptalk.prompts.encode import encode_question
from shoptalk.recipe import Prompt
from shoptalk.recommend.log_probabilities import log_probabilities
from shoptalk.recommend.options import LanguageModelRecommender
from shoptalk.recommend.pointwise import PointwiseRecommender
from shoptalk.schema import Candidates, History
from tests.words import CATALOGUE, eval_data, history, prompt_builder, small_model


def recommender(scoring: str = "sum", **settings: object) -> LanguageModelRecommender:
    model = small_model()
    model.network.eval()
    builder = prompt_builder(Prompt.model_validate({"task": "generate_title", "style": "plain", **settings}), CATALOGUE)
    return LanguageModelRecommender(model, builder, scoring)


def plain_score(model: LanguageModelRecommender, text: str, answer: str) -> float:
    """The log-probability of an answer after a text, by one full pass."""
    tokens = model.model.tokenizer
    prompt = [token for line in text.split("\n")[:-1] for token in tokens.encode(line) + tokens.encode("\n")]
    stated = tokens.encode(answer) + tokens.encode("\n")
    with torch.inference_mode():
        logits = model.model.network(torch.tensor([prompt + stated])).logits[0].log_softmax(-1)
    return float(sum(logits[len(prompt) - 1 + index, token] for index, token in enumerate(stated)))


def test_a_score_is_the_log_probability_of_the_options_title() -> None:
    model = recommender()
    options = Candidates(("R1", "C2"), ("Rose soap", "Cedar balm"))
    (scores,) = model.score([history("R0", "M0")], [options])
    text = "Bought:\nRose shampoo\nMint shampoo\n"
    assert scores == pytest.approx(
        [plain_score(model, text, "Rose soap"), plain_score(model, text, "Cedar balm")], abs=1e-4
    )


def test_the_mean_divides_by_the_tokens() -> None:
    options = Candidates(("R1", "C2"), ("Rose soap", "Cedar balm"))
    asked = ([history("R0")], [options])
    summed, mean = recommender("sum").score(*asked)[0], recommender("mean").score(*asked)[0]
    tokens = recommender().model.tokenizer
    lengths = [len(tokens.encode(title)) + len(tokens.encode("\n")) for title in options.titles]
    assert summed / lengths == pytest.approx(mean)


def test_pmi_is_the_gain_over_a_user_without_purchases() -> None:
    model = recommender("pmi")
    options = Candidates(("R1", "C2"), ("Rose soap", "Cedar balm"))
    expected = [
        plain_score(model, "Bought:\nRose shampoo\nMint shampoo\n", title) - plain_score(model, "Bought:\n", title)
        for title in options.titles
    ]
    assert model.score([history("R0", "M0")], [options])[0] == pytest.approx(expected, abs=1e-4)
    assert model.score([history("R0", "M0")], [options])[0] == pytest.approx(expected, abs=1e-4)  # from memory
    assert model.score([history()], [options])[0] == pytest.approx([0, 0], abs=1e-4)


@pytest.mark.parametrize("task", ["multiple_choice", "generate_reason"])
def test_pmi_subtracts_the_same_answers_without_purchases(task: str) -> None:
    model, summed = (recommender(scoring, task=task, style="alpaca") for scoring in ("pmi", "sum"))
    for case in eval_data(12):
        _, answers = summed.ask(case.history, case.candidates)[0]
        messages = summed.builder.ask(History("", ()), case.candidates)
        prompt, _ = encode_question("alpaca", messages, [], summed.model.tokenizer)
        prior = [tokens.sum() for tokens in log_probabilities(summed.model, [(prompt, answers)])[0]]
        (scores,) = summed.score([case.history], [case.candidates])
        assert model.score([case.history], [case.candidates])[0] == pytest.approx(scores - prior, abs=1e-4)


@pytest.mark.parametrize("scoring", ["sum", "pmi"])
def test_the_order_of_cases_and_their_company_do_not_matter(scoring: str) -> None:
    model = recommender(scoring, task="multiple_choice", style="alpaca")
    cases = eval_data(12)
    together = model.score([case.history for case in cases], [case.candidates for case in cases])
    for case, scores in zip(reversed(cases), reversed(together), strict=True):
        assert model.score([case.history], [case.candidates])[0] == pytest.approx(scores, abs=1e-4)


def test_likes_are_odds_of_yes_for_each_option() -> None:
    prompts = prompt_builder(Prompt(task="pointwise"), CATALOGUE)
    model = PointwiseRecommender(recommender().model, prompts, "sum")
    case = eval_data(1)[0]
    (scores,) = model.score([case.history], [case.candidates])
    odds = model.odds([case.history] * 3, list(case.candidates.items))
    assert np.allclose(scores, odds)
    without = model.odds([History("", ())] * 3, list(case.candidates.items))
    gains = PointwiseRecommender(model.model, prompts, "pmi").odds([case.history] * 3, list(case.candidates.items))
    assert gains == pytest.approx(odds - without, abs=1e-4)


def test_cut_histories_are_counted() -> None:
    model = recommender(max_tokens=48)
    options = Candidates(("R1",), ("Rose soap",))
    model.score([history(*CATALOGUE), history("R0")], [options, options])
    assert model.cut == 1
