"""Word bias: a word of known pull is found, and none in random choices."""

import numpy as np
import pytest

from shoptalk.evaluation.errors.answers import Answers
from shoptalk.evaluation.errors.words import pulling_words
from tests.evaluation.errors.answer_sets import answers, option_answers, random_options

COMMON = [f"word{n}" for n in range(60)]


def titles(random: np.random.Generator, planted: str, items: int = 400) -> list[str]:
    """Titles of four random words; every tenth also has the planted word."""
    texts = [" ".join(random.choice(COMMON, 4, replace=False)) for _ in range(items)]
    return [f"{title} {planted}" if n % 10 == 0 else title for n, title in enumerate(texts)]


def chosen(random: np.random.Generator, times: float) -> Answers:
    """Wrong answers; options of a tenth of the products are ``times`` as likely to be chosen as others."""
    options, right = random_options(3000, 400, random)
    weight = np.where(options % 10 == 0, times, 1.0)
    weight[np.arange(3000), right] = 0
    drawn = (np.cumsum(weight, axis=1) > random.random((3000, 1)) * weight.sum(axis=1, keepdims=True)).argmax(axis=1)
    return option_answers(options, right, drawn)


def test_a_planted_word_is_found_with_its_pull() -> None:
    random = np.random.default_rng(1)
    words = pulling_words(chosen(random, 3.0), titles(random, "bargain"))
    assert words[0].word == "bargain"
    # Among three wrong options, the others mostly with weight 1: 3 / (3 + 1 + 1) of the choices in place of 1 / 3.
    assert words[0].pull == pytest.approx(3 / 5 * 3, rel=0.1)
    assert words[0].low < words[0].pull < words[0].high
    assert words[0].products == 40
    assert words[0].offered == pytest.approx(3000 * 3 / 10, rel=0.1)
    assert len(words) == 1


def test_noise_has_no_words() -> None:
    listed = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        listed += bool(pulling_words(chosen(random, 1.0), titles(random, "bargain")))
    assert listed <= 5  # two of 40 on average; more than five with probability 1 / 70


def test_one_popular_product_does_not_bias_its_words() -> None:
    random = np.random.default_rng(2)
    options, right = random_options(3000, 40, random)
    right = np.where(options[np.arange(3000), right] == 0, (right + 1) % 4, right)
    is_popular = options == 0
    answer_set = option_answers(
        options, right, np.where(is_popular.any(axis=1), is_popular.argmax(axis=1), (right + 1) % 4)
    )
    names = ["popular thing", *(f"{'popular' if n < 12 else 'other'} thing{n}" for n in range(1, 40))]
    assert pulling_words(answer_set, names) == []


def test_by_hand() -> None:
    # 20 questions with two wrong options, one of the first 12 products ("good") and one of the other 12 ("bad"); the
    # good one is chosen in 18. The number expected by chance is 10: 1.8 times as often.
    pool = [[n % 12, 12 + n % 12] for n in range(20)]
    answer_set = answers([[]] * 20, right=[24] * 20, chosen=[pool[n][n < 2] for n in range(20)], alternatives=pool)
    words = pulling_words(answer_set, [*["good"] * 12, *["bad"] * 12, "right"])
    assert [(row.word, row.pull, row.offered, row.chosen, row.products) for row in words] == [("good", 1.8, 20, 18, 12)]


def test_the_first_item_of_a_ranking_is_one_of_its_alternatives() -> None:
    # Ten rankings with different first products and one alternative each: by chance each group is first in 5 of them.
    answer_set = answers([[]] * 10, right=[20] * 10, chosen=list(range(10)), alternatives=[[10 + n] for n in range(10)])
    names = [*["first"] * 10, *["drawn"] * 10, "right"]
    words = pulling_words(answer_set, names)
    assert [(row.word, row.pull, row.offered) for row in words] == [("first", 2.0, 10)]


def test_no_words_at_all() -> None:
    assert pulling_words(answers([[]], [0], [1], [[1]]), ["-", "!"]) == []
    assert pulling_words(answers([[]], [0], [0], [[1]]), ["one word", "two words"]) == []  # no wrong answer
