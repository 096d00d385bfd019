"""Texts that copy their prompts, repeat themselves or have no form."""

import pytest

from shoptalk.evaluation.parroting import parroting_metrics, prompt_share

PROMPT = "I have bought Rose soap. I wrote about it: it smells nice"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PROMPT, 1.0),
        ("i HAVE bought, rose; soap!", 2 / 2),  # i have bought rose, have bought rose soap
        ("you have bought Rose soap", 1 / 2),  # have bought rose soap; not: you have bought rose
        ("rose soap", 1.0),  # fewer than four words are one sequence
        ("soap rose", 0.0),
        ("...", 0.0),
    ],
)
def test_share_of_the_words_from_the_prompt(text: str, expected: float) -> None:
    assert prompt_share(text, PROMPT) == expected


def test_metrics_of_texts() -> None:
    texts = [PROMPT, "Rose", "go on go on go on go on", "### Response: Rose oil."]
    answers = ["you have bought Rose soap"] * 4
    metrics = parroting_metrics(
        texts, [PROMPT] * 4, answers, list("abcd"), lambda text: not text.startswith("go"), resamples=100
    )
    values = {name: estimate.value for name, estimate in metrics.items()}
    assert values["text_prompt_share"] == 2 / 4  # the first and the second
    assert values["answer_prompt_share"] == 1 / 2
    assert values["text_repeat_share"] == pytest.approx((3 / 5) / 4)  # go on go on, on go on go: 2 of 5 are distinct
    assert values["text_malformed_share"] == 2 / 4  # the third has no form, the last one a mark
