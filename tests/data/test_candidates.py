"""Options: no items of the user, no equal titles, and the right one equally often at every position."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptalk.data.candidates import (
    Drawer,
    Popularity,
    Proposal,
    Uniform,
    answer_positions,
    arrange,
    by_category,
    by_title,
    title_codes,
)
from shoptalk.errors import DatasetError
from shoptalk.recipe import CandidatesSection

TITLES = [f"title number {n}" for n in range(30)]


def drawer(proposal: Proposal, titles: list[str], options: int = 4, seed: int = 1) -> Drawer:
    codes = title_codes(titles)
    return Drawer(proposal, codes, codes, CandidatesSection(options=options), np.random.default_rng(seed))


def interactions(users: int, each: int, items: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """User and item of each row, for users with ``each`` different items, and the rows of cases: all but the first."""
    rng = np.random.default_rng(seed)
    item = np.concatenate([rng.permutation(items)[:each] for _ in range(users)])
    user = np.repeat(np.arange(users), each)
    return user, item, np.flatnonzero(np.arange(users * each) % each)


def test_title_codes_ignore_case_and_carry_over() -> None:
    known: dict[str, int] = {}
    assert title_codes(["Soap", "soap", "STRASSE", "straße"], known).tolist() == [0, 0, 1, 1]
    assert title_codes(["new", "SOAP"], known).tolist() == [2, 0]


@settings(max_examples=60, deadline=None)
@given(
    users=st.integers(1, 12),
    each=st.integers(2, 6),
    options=st.integers(2, 6),
    kind=st.sampled_from(["uniform", "popularity", "same-category", "similar-title"]),
    twins=st.integers(1, 12),
    seed=st.integers(0, 99),
)
def test_properties_of_any_draw(users: int, each: int, options: int, kind: str, twins: int, seed: int) -> None:
    # Some items share their title: 30 items, 31 - twins different titles, at least 19 > 6 of the user + 6 options.
    titles = ["Twin" if n < twins and n % 2 else "tWIN" if n < twins else TITLES[n] for n in range(30)]
    proposal = {
        "uniform": lambda: Uniform(30),
        "popularity": lambda: Popularity(np.arange(30)),
        "same-category": lambda: by_category([["all", "ab"[n % 2]] for n in range(30)]),
        "similar-title": lambda: by_title(titles, options),
    }[kind]()
    user, item, case_rows = interactions(users, each, 30, seed)
    drawn = drawer(proposal, titles, options, seed).draw(user, item, case_rows)
    assert drawn.shape == (len(case_rows), options - 1)
    codes = title_codes(titles)
    for row, distractors in zip(case_rows, drawn, strict=True):
        assert not set(distractors) & set(item[user == user[row]])
        option_titles = [codes[item[row]], *codes[distractors]]
        assert len(set(option_titles)) == options


def test_uniform_draws_all_items_equally_often() -> None:
    # One user who owns item 0; 6,000 questions of 3 distractors among 29 items: 18000 / 29 = 620.7 of each.
    user, item = np.zeros(6000, dtype=np.int64), np.zeros(6000, dtype=np.int64)
    drawn = drawer(Uniform(30), TITLES).draw(user, item, np.arange(6000))
    counts = np.bincount(drawn.ravel(), minlength=30)
    assert counts[0] == 0
    assert np.abs(counts[1:] - 18000 / 29).max() < 5 * np.sqrt(18000 / 29)  # five standard deviations


def test_popularity_draws_in_proportion_to_purchases() -> None:
    bought = np.zeros(30, dtype=np.int64)
    bought[[0, 5, 6]] = [9, 3, 1]  # item 0 is the answer itself
    user, item = np.zeros(8000, dtype=np.int64), np.zeros(8000, dtype=np.int64)
    drawn = drawer(Popularity(bought), TITLES, options=2).draw(user, item, np.arange(8000))
    counts = np.bincount(drawn.ravel(), minlength=30)
    assert counts.sum() == counts[5] + counts[6]
    assert abs(counts[5] / 8000 - 3 / 4) < 0.03  # standard deviation sqrt(3/4 * 1/4 / 8000) = 0.005


def test_too_few_popular_items_fall_back_and_are_counted() -> None:
    bought = np.zeros(30, dtype=np.int64)
    bought[[5, 6]] = 1
    user, item = np.zeros(10, dtype=np.int64), np.zeros(10, dtype=np.int64)
    case_drawer = drawer(Popularity(bought), TITLES)
    drawn = case_drawer.draw(user, item, np.arange(10))
    assert all({5, 6} < set(row) for row in drawn)
    assert case_drawer.fallbacks == 10  # one of three slots of each question


def test_same_category_stays_in_the_last_category() -> None:
    categories = [["shop", "even" if n % 2 == 0 else "odd"] for n in range(30)]
    user, item, case_rows = interactions(20, 4, 30)
    case_drawer = drawer(by_category(categories), TITLES)
    drawn = case_drawer.draw(user, item, case_rows)
    assert ((drawn - item[case_rows][:, None]) % 2 == 0).all()
    assert case_drawer.fallbacks == 0


def test_items_without_a_category_fall_back() -> None:
    case_drawer = drawer(by_category([[] for _ in range(30)]), TITLES)
    user, item, case_rows = interactions(3, 3, 30)
    assert case_drawer.draw(user, item, case_rows).shape == (6, 3)
    assert case_drawer.fallbacks == 6 * 3


def test_similar_titles_are_the_nearest() -> None:
    titles = [
        f"{colour} {thing} {number}" for colour in ("red", "blue") for thing in ("soap", "comb") for number in "abcde"
    ]
    pools = by_title(titles, 4)
    members, weights = pools.pool(0)  # "red soap a"
    assert 0 not in members
    assert len(members) == len(weights)
    with_common_word = [n for n in range(1, 20) if set(titles[n].split()) & {"red", "soap"}]
    assert sorted(members.tolist()) == with_common_word  # the vectorizer ignores words of one letter


def test_similar_titles_leave_out_the_same_title() -> None:
    pools = by_title(["red soap", "RED soap", "blue soap", "unlike"], 2)
    assert pools.pool(0)[0].tolist() == [2]
    assert pools.pool(3)[0].tolist() == []


def test_titles_without_words_have_no_neighbours() -> None:
    assert by_title(["", "!", "?"], 2).pool(1)[0].tolist() == []


def test_asymmetric_titles_do_not_show_the_title_of_the_answer() -> None:
    # The answer 0 shows "soap"; as a distractor item 1 would show "soap" too, item 2 the answer's raw title.
    as_answer = np.array([0, 5, 6, 7])
    as_distractor = np.array([1, 0, 1, 3])
    case_drawer = Drawer(Uniform(4), as_answer, as_distractor, CandidatesSection(options=2), np.random.default_rng(1))
    zeros = np.zeros(50, dtype=np.int64)
    assert set(case_drawer.draw(zeros, zeros, np.arange(50)).ravel()) == {3}


def test_too_small_catalogues_are_an_error() -> None:
    case_drawer = drawer(Uniform(5), TITLES[:5], options=4)
    user, item = np.array([0, 0]), np.array([0, 1])  # 5 items - 2 of the user = 3 distractors
    assert sorted(case_drawer.draw(user, item, np.array([1]))[0]) == [2, 3, 4]
    with pytest.raises(DatasetError, match="too few different titles"):
        case_drawer.draw(np.zeros(3, dtype=np.int64), np.arange(3), np.array([2]))


@pytest.mark.parametrize(("cases", "options"), [(0, 4), (1, 4), (4000, 4), (4467, 4), (100, 26)])
def test_each_position_is_right_equally_often(cases: int, options: int) -> None:
    counts = np.bincount(answer_positions(cases, options, np.random.default_rng(1)), minlength=options)
    assert len(counts) == options
    assert counts.sum() == cases
    assert counts.max() - counts.min() <= 1


def test_arrange() -> None:
    options = arrange(np.array([7, 8]), np.array([[1, 2], [3, 4]]), np.array([0, 2], dtype=np.int8))
    assert options.tolist() == [[7, 1, 2], [3, 4, 8]]


def test_the_same_seed_draws_the_same() -> None:
    user, item, case_rows = interactions(10, 4, 30)
    first, repeated, other_seed = (
        drawer(Uniform(30), TITLES, seed=seed).draw(user, item, case_rows) for seed in (1, 1, 2)
    )
    assert (first == repeated).all()
    assert (first != other_seed).any()
