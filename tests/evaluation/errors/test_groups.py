"""Groups: shares and references by hand, planted pulls that are found, and none where there is none."""

import numpy as np
import pytest

from shoptalk.evaluation.errors.answers import Answers, ItemStats
from shoptalk.evaluation.errors.groups import Group, group_errors, typical
from tests.evaluation.errors.worlds import answers, chosen_among, eval_data, item_stats

WORDS = ["rose", "mint", "cedar", "lemon", "musk", "soap", "balm", "oil", "comb", "mask", "gel", "wax"]


def named(found: list[Group]) -> dict[str, Group]:
    return {group.kind.name: group for group in found}


def test_shares_by_hand() -> None:
    # Four answers, the last one right. Chosen more popular: 1 of 3. A pull are 1 of 1, 0 of 2, 1 of 2, 0 of 1 options.
    made = answers([[]] * 4, right=[0, 1, 0, 1], chosen=[1, 0, 2, 1], others=[[1, 1], [0, 2], [1, 2], [0, 0]])
    found = named(group_errors(made, item_stats(["a b", "c d", "e f"], purchases=[5, 10, 1]), resamples=100))
    group = found["popularity_pull"]
    assert group.share.value == pytest.approx(1 / 3)
    assert group.reference.value == pytest.approx((1 + 0 + 1 / 2 + 0) / 4)
    assert group.excess.value == pytest.approx(1 / 3 - 3 / 8)
    assert group.members.tolist() == [True, False, False, False]
    assert group.typical == [0]
    assert "position_pull" not in found  # a ranking has no places
    assert "rare_category" not in found  # no categories are kept
    assert found["cold_item"].share.value == found["cold_item"].reference.value == 0


def test_nothing_is_wrong() -> None:
    found = named(
        group_errors(answers([[]] * 2, [0, 1], [0, 1], [[1], [0]]), item_stats(["a b", "c d"]), resamples=100)
    )
    assert np.isnan(found["popularity_pull"].share.value)
    assert found["popularity_pull"].typical == []


def test_examples_show_one_kind_clearly() -> None:
    members = np.array([True, True, True, True, False, True])
    times = np.array([1, 1, 1, 2, 1, 1])
    strength = np.array([1.0, 2.0, 9.0, 9.0, 9.0, 9.0])
    sure = np.array([0.1, 0.2, 0.3, 0.9, 0.9, 0.4])
    # The ninth decile of 1, 2, 9, 9, 9 is 9: number 5 is surer than 2; then 1; 3 is in another group as well.
    assert typical(members, times, strength, sure, 5) == [5, 2, 1, 0, 3]
    assert typical(members, times, strength, sure, 1) == [5]


def filter_index(random: np.random.Generator, items: int = 300) -> ItemStats:
    titles = [" ".join(random.choice(WORDS, 3, replace=False)) for _ in range(items)]
    return item_stats(titles, purchases=random.permutation(items).tolist())


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_a_planted_pull_is_found_with_its_share(strength: float) -> None:
    """With this probability the most popular option is chosen, else any.

    The most popular one is wrong in 3 of 4 cases, and then always a pull. Any one is wrong in 3 of 4 cases as well, and
    then a pull in one of two. So the share is strength + (1 - strength) / 2, and the reference 1 / 2.
    """
    random = np.random.default_rng(5)
    shop = filter_index(random)
    options, right = eval_data(4000, 300, random)
    blind = random.integers(0, 4, 4000)
    popular = shop.purchases[options].argmax(axis=1)
    made = chosen_among(options, right, np.where(random.random(4000) < strength, popular, blind))
    group = named(group_errors(made, shop, resamples=300))["popularity_pull"]
    assert group.share.value == pytest.approx(strength + (1 - strength) / 2, abs=0.02)
    assert group.reference.value == pytest.approx(1 / 2, abs=0.02)
    assert group.excess.low <= strength / 2 <= group.excess.high


def test_a_planted_likeness_is_found() -> None:
    random = np.random.default_rng(6)
    shop = filter_index(random)
    options, right = eval_data(2000, 300, random)
    seen_items = [[int(n) for n in random.choice(300, 3, replace=False)] for _ in range(2000)]
    blind = chosen_among(options, right, random.integers(0, 4, 2000), seen_items)
    found = named(group_errors(blind, shop, resamples=300))
    assert found["semantic_pull"].excess.low < 0 < found["semantic_pull"].excess.high
    words = [set(title.split()) for title in shop.titles]
    shared = np.array([
        [sum(len(words[item] & words[own]) for own in mine) for item in row]
        for row, mine in zip(options.tolist(), seen_items, strict=True)
    ])  # fmt: skip
    like = named(group_errors(chosen_among(options, right, shared.argmax(axis=1), seen_items), shop, resamples=300))
    assert like["semantic_pull"].share.value > 0.9  # idf makes it not quite the number of shared words
    assert like["semantic_pull"].excess.low > 0.3
    assert like["popularity_pull"].excess.low < 0.05


def blind_answers(seed: int) -> tuple[Answers, ItemStats]:
    """Nothing but chance; circumstances included."""
    random = np.random.default_rng(seed)
    shop = filter_index(random)
    shop = ItemStats(shop.titles, np.maximum(shop.purchases - 60, 0), [f"c{n % 17}" for n in range(300)])
    options, right = eval_data(600, 300, random)
    seen_items = [[int(n) for n in random.choice(300, random.integers(1, 9), replace=False)] for _ in range(600)]
    return chosen_among(options, right, random.integers(0, 4, 600), seen_items), shop


def test_without_a_pull_the_share_is_the_reference() -> None:
    misses: dict[str, int] = {}
    for seed in range(40):
        for group in group_errors(*blind_answers(seed), resamples=200, seed=seed):
            outside = not group.excess.low <= 0 <= group.excess.high
            misses[group.kind.name] = misses.get(group.kind.name, 0) + outside
    assert len(misses) == 8
    # Of 40 intervals of 95 %, two miss on average; more than seven do so in one of 1,500 series.
    assert max(misses.values()) <= 7, misses
    assert sum(misses.values()) <= 30  # 16 of 320 on average
