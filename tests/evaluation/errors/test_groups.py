"""Groups: shares and references by hand, pulls of known strength, and random answers without a pull."""

import numpy as np
import pytest

from shoptalk.evaluation.errors.answers import Answers, ItemStats
from shoptalk.evaluation.errors.groups import Group, group_errors, typical
from tests.evaluation.errors.answer_sets import answers, item_stats, option_answers, random_options

WORDS = ["rose", "mint", "cedar", "lemon", "musk", "soap", "balm", "oil", "comb", "mask", "gel", "wax"]


def by_kind(groups: list[Group]) -> dict[str, Group]:
    """The groups by the name of their kind."""
    return {group.kind.name: group for group in groups}


def test_shares_by_hand() -> None:
    # Four answers, the last one right. One of three chosen items is more popular than the right one. So are, of the
    # different alternatives, 1 of 1, 0 of 2, 1 of 2 and 0 of 1.
    answer_set = answers(
        [[]] * 4, right=[0, 1, 0, 1], chosen=[1, 0, 2, 1], alternatives=[[1, 1], [0, 2], [1, 2], [0, 0]]
    )
    groups = by_kind(group_errors(answer_set, item_stats(["a b", "c d", "e f"], purchases=[5, 10, 1]), resamples=100))
    group = groups["popularity_pull"]
    assert group.share.value == pytest.approx(1 / 3)
    assert group.reference.value == pytest.approx((1 + 0 + 1 / 2 + 0) / 4)
    assert group.excess.value == pytest.approx(1 / 3 - 3 / 8)
    assert group.members.tolist() == [True, False, False, False]
    assert group.typical == [0]
    assert "position_pull" not in groups  # a ranking has no positions
    assert "rare_category" not in groups  # no item has a category
    assert groups["cold_item"].share.value == groups["cold_item"].reference.value == 0


def test_no_wrong_answers() -> None:
    groups = by_kind(
        group_errors(answers([[]] * 2, [0, 1], [0, 1], [[1], [0]]), item_stats(["a b", "c d"]), resamples=100)
    )
    assert np.isnan(groups["popularity_pull"].share.value)
    assert groups["popularity_pull"].typical == []


def test_examples_show_one_kind_clearly() -> None:
    members = np.array([True, True, True, True, False, True])
    group_counts = np.array([1, 1, 1, 2, 1, 1])
    strength = np.array([1.0, 2.0, 9.0, 9.0, 9.0, 9.0])
    confidence = np.array([0.1, 0.2, 0.3, 0.9, 0.9, 0.4])
    # The ninth decile of 1, 2, 9, 9, 9 is 9: number 5 has a higher confidence than 2; 3 is also in another group.
    assert typical(members, group_counts, strength, confidence, 5) == [5, 2, 1, 0, 3]
    assert typical(members, group_counts, strength, confidence, 1) == [5]


def random_items(random: np.random.Generator, count: int = 300) -> ItemStats:
    """Items with random titles of three words and different numbers of purchases."""
    titles = [" ".join(random.choice(WORDS, 3, replace=False)) for _ in range(count)]
    return item_stats(titles, purchases=random.permutation(count).tolist())


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_a_planted_pull_is_found_with_its_share(strength: float) -> None:
    """With the probability ``strength`` the most popular option is chosen, else a random one.

    The most popular option is wrong in 3 of 4 cases, and then always a pull. A random option is also wrong in 3 of 4
    cases, and then a pull in one of two. So the share is strength + (1 - strength) / 2, and the reference 1 / 2.
    """
    random = np.random.default_rng(5)
    items = random_items(random)
    options, right = random_options(4000, 300, random)
    random_choice = random.integers(0, 4, 4000)
    popular = items.purchases[options].argmax(axis=1)
    answer_set = option_answers(options, right, np.where(random.random(4000) < strength, popular, random_choice))
    group = by_kind(group_errors(answer_set, items, resamples=300))["popularity_pull"]
    assert group.share.value == pytest.approx(strength + (1 - strength) / 2, abs=0.02)
    assert group.reference.value == pytest.approx(1 / 2, abs=0.02)
    assert group.excess.low <= strength / 2 <= group.excess.high


def test_a_planted_similarity_is_found() -> None:
    random = np.random.default_rng(6)
    items = random_items(random)
    options, right = random_options(2000, 300, random)
    seen_items = [[int(n) for n in random.choice(300, 3, replace=False)] for _ in range(2000)]
    random_choice = option_answers(options, right, random.integers(0, 4, 2000), seen_items)
    groups = by_kind(group_errors(random_choice, items, resamples=300))
    assert groups["semantic_pull"].excess.low < 0 < groups["semantic_pull"].excess.high
    words_of = [set(title.split()) for title in items.titles]
    shared = np.array(
        [
            [sum(len(words_of[item] & words_of[seen]) for seen in history) for item in row]
            for row, history in zip(options.tolist(), seen_items, strict=True)
        ]
    )
    similar_groups = by_kind(
        group_errors(option_answers(options, right, shared.argmax(axis=1), seen_items), items, resamples=300)
    )
    assert similar_groups["semantic_pull"].share.value > 0.9  # idf makes it not quite the number of shared words
    assert similar_groups["semantic_pull"].excess.low > 0.3
    assert similar_groups["popularity_pull"].excess.low < 0.05


def random_answers(seed: int) -> tuple[Answers, ItemStats]:
    """Randomly chosen options, and items to which all kinds apply."""
    random = np.random.default_rng(seed)
    items = random_items(random)
    items = ItemStats(items.titles, np.maximum(items.purchases - 60, 0), [f"c{n % 17}" for n in range(300)])
    options, right = random_options(600, 300, random)
    seen_items = [[int(n) for n in random.choice(300, random.integers(1, 9), replace=False)] for _ in range(600)]
    return option_answers(options, right, random.integers(0, 4, 600), seen_items), items


def test_without_a_pull_the_share_is_the_reference() -> None:
    misses: dict[str, int] = {}
    for seed in range(40):
        for group in group_errors(*random_answers(seed), resamples=200, seed=seed):
            outside = not group.excess.low <= 0 <= group.excess.high
            misses[group.kind.name] = misses.get(group.kind.name, 0) + outside
    assert len(misses) == 8
    # Of 40 intervals of 95 %, two miss the value on average; more than seven do with probability 1 / 1,500.
    assert max(misses.values()) <= 7, misses
    assert sum(misses.values()) <= 30  # 16 of 320 on average
