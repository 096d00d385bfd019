"""Words: one planted is found, and none in noise."""

import numpy as np
import pytest

from shoptalk.evaluation.errors.answers import Answers
from shoptalk.evaluation.errors.words import pulling_words
from tests.evaluation.errors.worlds import answers, chosen_among, eval_data

COMMON = [f"word{n}" for n in range(60)]


def titles(random: np.random.Generator, planted: str, items: int = 400) -> list[str]:
    """Four words each; every tenth title has the planted word as well."""
    made = [" ".join(random.choice(COMMON, 4, replace=False)) for _ in range(items)]
    return [f"{title} {planted}" if n % 10 == 0 else title for n, title in enumerate(made)]


def chosen(random: np.random.Generator, times: float) -> Answers:
    """An option of a tenth of the products is so many times as likely to be chosen; the right one never is."""
    options, right = eval_data(3000, 400, random)
    weight = np.where(options % 10 == 0, times, 1.0)
    weight[np.arange(3000), right] = 0
    drawn = (np.cumsum(weight, axis=1) > random.random((3000, 1)) * weight.sum(axis=1, keepdims=True)).argmax(axis=1)
    return chosen_among(options, right, drawn)


def test_a_planted_word_is_found_with_its_pull() -> None:
    random = np.random.default_rng(1)
    found = pulling_words(chosen(random, 3.0), titles(random, "bargain"))
    assert found[0].word == "bargain"
    # Beside two others, mostly of weight 1: 3 / (3 + 1 + 1) of the choices in place of 1 / 3.
    assert found[0].pull == pytest.approx(3 / 5 * 3, rel=0.1)
    assert found[0].low < found[0].pull < found[0].high
    assert found[0].products == 40
    assert found[0].offered == pytest.approx(3000 * 3 / 10, rel=0.1)
    assert len(found) == 1


def test_noise_has_no_words() -> None:
    listed = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        listed += bool(pulling_words(chosen(random, 1.0), titles(random, "bargain")))
    assert listed <= 5  # two of 40 on average; more than five in one of 70 series


def test_one_loved_product_does_not_make_its_words_pull() -> None:
    random = np.random.default_rng(2)
    options, right = eval_data(3000, 40, random)
    right = np.where(options[np.arange(3000), right] == 0, (right + 1) % 4, right)
    loved = options == 0
    made = chosen_among(options, right, np.where(loved.any(axis=1), loved.argmax(axis=1), (right + 1) % 4))
    names = ["loved thing", *(f"{'loved' if n < 12 else 'other'} thing{n}" for n in range(1, 40))]
    assert pulling_words(made, names) == []


def test_by_hand() -> None:
    # 20 questions with two wrong options, one of the first 12 products ("good") and one of the other 12 ("bad"); the
    # good one is chosen in 18. By chance it would be in 10: 1.8 times as often.
    pool = [[n % 12, 12 + n % 12] for n in range(20)]
    made = answers([[]] * 20, right=[24] * 20, chosen=[pool[n][n < 2] for n in range(20)], others=pool)
    found = pulling_words(made, [*["good"] * 12, *["bad"] * 12, "right"])
    assert [(one.word, one.pull, one.offered, one.chosen, one.products) for one in found] == [("good", 1.8, 20, 18, 12)]


def test_the_first_of_a_ranking_joins_what_it_is_compared_with() -> None:
    # Ten rankings: a product of its own comes first, beside one drawn: by chance each would be in 5 of them.
    made = answers([[]] * 10, right=[20] * 10, chosen=list(range(10)), others=[[10 + n] for n in range(10)])
    names = [*["first"] * 10, *["drawn"] * 10, "right"]
    found = pulling_words(made, names)
    assert [(one.word, one.pull, one.offered) for one in found] == [("first", 2.0, 10)]


def test_no_words_at_all() -> None:
    assert pulling_words(answers([[]], [0], [1], [[1]]), ["-", "!"]) == []
    assert pulling_words(answers([[]], [0], [0], [[1]]), ["one word", "two words"]) == []  # nothing is wrong
