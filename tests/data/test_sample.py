"""The generated shop: the published format, the same bytes for the same seed, and the preferences of users."""

import gzip
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.data.sample_purchases import Behaviour
from shoptalk.errors import UsageError
from shoptalk.recipe import read_recipe


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.open(path, "rt", encoding="utf-8")]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    write_sample(folder, users=800, items=400)
    return folder


def test_files_have_the_published_format(shop: Path) -> None:
    reviews, items = lines(shop / "reviews.json.gz"), lines(shop / "meta.json.gz")
    expected = "overall verified reviewTime reviewerID asin style reviewerName reviewText summary unixReviewTime"
    assert list(reviews[0]) == expected.split()
    assert {"asin", "title", "brand", "category", "description", "feature", "price", "also_buy"} <= items[0].keys()
    assert len({item["asin"] for item in items}) == 400
    assert len({review["reviewerID"] for review in reviews}) == 800
    assert {review["asin"] for review in reviews} <= {item["asin"] for item in items}
    assert all(review["unixReviewTime"] % 86_400 == 0 for review in reviews)  # a day, as published
    assert any("&amp;" in item["title"] for item in items)
    assert len({item["title"] for item in items}) == 400


def test_files_of_2023_have_the_same_purchases(tmp_path: Path) -> None:
    tables = {}
    for release in ("2018", "2023"):
        write_sample(tmp_path / release, users=40, items=60, release=release)  # type: ignore[arg-type]
        recipe = read_recipe(tmp_path / release / "recipe.toml", ['data.keep=["brand", "categories", "price"]'])
        prepare(recipe, tmp_path / release / "dataset")
        tables[release] = [
            pq.read_table(tmp_path / release / "dataset" / name).to_pylist()
            for name in ("interactions.parquet", "items.parquet", "splits.parquet", "candidates.parquet")
        ]
    assert tables["2018"] == tables["2023"]
    (review, *_), (product, *_) = (lines(tmp_path / "2023" / name) for name in ("reviews.jsonl.gz", "meta.jsonl.gz"))
    published = "rating title text images asin parent_asin user_id timestamp helpful_vote verified_purchase"
    assert list(review) == published.split()
    assert review["timestamp"] % 86_400_000 == 0  # milliseconds
    assert {"main_category", "title", "features", "price", "store", "categories", "parent_asin"} <= product.keys()


def test_some_reviews_are_unverified_and_some_are_written_twice(shop: Path) -> None:
    reviews = lines(shop / "reviews.json.gz")
    assert 0.03 < sum(not review["verified"] for review in reviews) / len(reviews) < 0.07  # 0.05
    pairs = Counter((review["reviewerID"], review["asin"]) for review in reviews)
    assert 0.01 < sum(count > 1 for count in pairs.values()) / len(pairs) < 0.03  # 0.02
    assert min(Counter(user for user, _ in pairs).values()) >= 4


def test_texts_agree_with_ratings(shop: Path) -> None:
    ratings_by_phrase = {"love": [], "sent it back": []}  # type: ignore[var-annotated]
    for review in lines(shop / "reviews.json.gz"):
        for phrase, ratings in ratings_by_phrase.items():
            if phrase in review["reviewText"]:
                ratings.append(review["overall"])
    assert set(ratings_by_phrase["love"]) == {5.0}
    assert set(ratings_by_phrase["sent it back"]) == {1.0}


def test_purchases_follow_the_planted_tastes(shop: Path) -> None:
    planted = json.loads((shop / "planted.json").read_text())
    items = {item["asin"]: item for item in lines(shop / "meta.json.gz")}
    bought: dict[str, dict[str, int]] = {}
    for review in lines(shop / "reviews.json.gz"):
        user_items = bought.setdefault(review["reviewerID"], {})
        user_items[review["asin"]] = min(user_items.get(review["asin"], 2**40), review["unixReviewTime"])
    in_taste, completing, steps, purchases = 0, 0, 0, 0
    for user, user_items in bought.items():
        families = {taste["family"] for taste in planted["users"][user]}
        in_taste += sum(items[item]["main_cat"] in families for item in user_items)
        purchases += len(user_items)
        dates = sorted(user_items, key=lambda item: user_items[item])
        steps += len(dates) - 1
        completing += sum(planted["complements"].get(a) == b for a, b in pairwise(dates))
    # 85 % follow a taste or complete a purchase of one; a tenth of the popular ones falls into a family by chance.
    assert in_taste / purchases > 0.75
    # Ties in time and completions that are owned already lose some of the 35 %.
    assert 0.4 * 0.5 < completing / steps < 0.4 * 1.2  # the probability is .4


def purchases_in_order(folder: Path) -> list[list[str]]:
    """The items of each user, oldest first."""
    bought: dict[str, list[tuple[int, str]]] = {}
    for review in lines(folder / "reviews.json.gz"):
        bought.setdefault(review["reviewerID"], []).append((review["unixReviewTime"], review["asin"]))
    return [[item for _, item in sorted(rows)] for rows in bought.values()]


def test_behaviours_differ(tmp_path: Path) -> None:
    behaviours = {
        "popular": Behaviour(complement=0, popular=1),
        "taste": Behaviour(complement=0, popular=0, match=100),
        "repeat": Behaviour(repeat=0.5),
        "long": Behaviour(least=10, mean=15),
    }
    top_share, repeats, length = {}, {}, {}
    for name, behaviour in behaviours.items():
        write_sample(tmp_path / name, users=200, items=100, behaviour=behaviour)
        histories = purchases_in_order(tmp_path / name)
        counts = Counter(item for history in histories for item in history)
        top_share[name] = sum(count for _, count in counts.most_common(10)) / counts.total()
        repeats[name] = 1 - sum(len(set(history)) for history in histories) / counts.total()
        length[name] = counts.total() / len(histories)
    assert top_share["popular"] > 1.5 * top_share["taste"]
    assert repeats["repeat"] > 0.3 > 0.05 > repeats["taste"]  # 2 % of the reviews are written twice
    assert length["long"] == pytest.approx(15, rel=0.15)


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        write_sample(tmp_path / name, users=30, items=40, seed=seed)
    for file in ("reviews.json.gz", "meta.json.gz", "planted.json"):
        content = [(tmp_path / name / file).read_bytes() for name in ("one", "two", "three")]
        assert content[0] == content[1] != content[2]


@pytest.mark.parametrize(("users", "items"), [(1, 20), (3, 20), (50, 3000)])
def test_any_size(tmp_path: Path, users: int, items: int) -> None:
    report = write_sample(tmp_path, users=users, items=items)
    assert len(lines(tmp_path / "meta.json.gz")) == items
    assert len(lines(tmp_path / "reviews.json.gz")) == report.reviews >= users


def test_invalid_arguments(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="20 to"):
        write_sample(tmp_path, users=5, items=10**6)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="needs a folder"):
        write_sample(tmp_path / "file")
