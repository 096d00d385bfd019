"""Preparing a dataset: counts, reproducibility, and safe replacement of folders."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from shoptalk.data import engine as engine_module
from shoptalk.data.dataset import check_fit, fingerprint, open_dataset
from shoptalk.data.prepare import prepare as prepare_typed
from shoptalk.data.sample import write_sample
from shoptalk.errors import DatasetError, ShoptalkError, UsageError
from shoptalk.recipe import Recipe, parse_recipe, read_recipe
from shoptalk.results import DatasetInfo, as_json, from_json

from .small_dataset import recipe_of, write_small_dataset, write_tables

DATA = Path(os.environ.get("SHOPTALK_DATA") or Path(__file__).parents[3] / "shared" / "data")
RECIPES = Path(__file__).parents[2] / "recipes"
TABLES = ("items.parquet", "interactions.parquet", "splits.parquet", "candidates.parquet")

needs_data = pytest.mark.skipif(not (DATA / "amazon-beauty").is_dir(), reason=f"no real data in {DATA}")


def prepare(recipe: Recipe, out: Path, *progress: Any) -> dict[str, Any]:
    """What ``--json`` prints."""
    content: dict[str, Any] = as_json(prepare_typed(recipe, out, *progress))
    return content


def test_folder_and_report(tmp_path: Path) -> None:
    # Six users with five of twenty items; user n has items n to n + 4, so ten items are bought.
    write_small_dataset(tmp_path)
    reports_of_progress: list[tuple[str, float, float, str]] = []
    report = prepare(recipe_of(tmp_path), tmp_path / "dataset", lambda *step: reports_of_progress.append(step))
    assert report["kept"] == {"users": 6, "items": 10, "interactions": 30}
    assert report["read"]["reviews"] == 30
    assert report["cases"] == {"train": 6 * 2, "validation": 6, "test": 6}
    assert report["warnings"] == []
    assert reports_of_progress[0] == ("prepare", 0, 4, "reading")
    folder = tmp_path / "dataset"
    assert sorted(path.name for path in folder.iterdir()) == sorted([*TABLES, "dataset.json"])
    info = json.loads((folder / "dataset.json").read_text())
    assert info["fingerprint"] == report["fingerprint"]
    assert as_json(from_json(DatasetInfo, info)) == info
    assert [len(source["sha256"]) for source in info["sources"]] == [64, 64]
    assert info["packages"]["shoptalk"]
    schemas = {name: pq.read_schema(folder / name).names for name in TABLES}
    assert schemas["interactions.parquet"] == ["user_id", "item_id", "timestamp", "position", "rating"]
    assert schemas["splits.parquet"] == ["user_id", "position", "split"]
    assert schemas["candidates.parquet"] == ["user_id", "position", "split", "options", "answer"]
    rows = pq.read_table(folder / "interactions.parquet").to_pylist()
    assert [(row["user_id"], row["position"]) for row in rows] == [(f"u{u}", at) for u in range(6) for at in range(5)]
    # Every training place but the first, then the validation and the test: four questions of each user.
    cases = pq.read_table(folder / "candidates.parquet").to_pylist()
    assert [row["position"] for row in cases] == [1, 2, 3, 4] * 6


@pytest.mark.parametrize("negatives", ["uniform", "popularity", "similar-title"])
def test_answers_are_at_every_place_equally_often(tmp_path: Path, negatives: str) -> None:
    write_small_dataset(tmp_path, users=12, items=24)
    prepare(recipe_of(tmp_path, candidates={"options": 4, "negatives": negatives}), tmp_path / "dataset")
    cases = pq.read_table(tmp_path / "dataset" / "candidates.parquet").to_pandas()
    for _, part in cases.groupby("split"):
        assert np.ptp(np.bincount(part["answer"], minlength=4)) == 0  # 24, 12 and 12 questions divide by 4


def test_the_same_recipe_gives_the_same_bytes_on_any_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sample(tmp_path / "sample", users=300, items=100)
    content = {
        "data": {
            "source": "amazon2018",
            "reviews": str(tmp_path / "sample" / "reviews.json.gz"),
            "items": str(tmp_path / "sample" / "meta.json.gz"),
        },
        "split": {"method": "by-user", "ties": "random", "history": 3},
        "candidates": {"options": 4, "negatives": "popularity"},
    }
    reports = {}
    original_init = engine_module.Engine.__init__
    for name, threads, seed in (("one", 1, 5), ("four", 4, 5), ("other", 1, 6)):

        def with_threads(self: object, work: Path, threads: int = threads) -> None:
            original_init(self, work, threads=threads)  # type: ignore[arg-type]

        monkeypatch.setattr(engine_module.Engine, "__init__", with_threads)
        reports[name] = prepare(parse_recipe({**content, "seed": seed}), tmp_path / name)
    for table in TABLES:
        assert (tmp_path / "one" / table).read_bytes() == (tmp_path / "four" / table).read_bytes()
    assert reports["one"]["fingerprint"] == reports["four"]["fingerprint"] != reports["other"]["fingerprint"]


def test_the_fingerprint_does_not_depend_on_paths(tmp_path: Path) -> None:
    reports = []
    for name in ("here", "there"):
        write_small_dataset(tmp_path / name)
        reports.append(prepare(recipe_of(tmp_path / name), tmp_path / name / "dataset"))
    assert reports[0]["fingerprint"] == reports[1]["fingerprint"]


def test_popularity_counts_training_purchases_only(tmp_path: Path) -> None:
    """Popularity weighs training purchases only: an item bought in tests alone is never a popular distractor."""
    titles = {name: f"title {name}" for name in ["hit", "flop", *(f"x{n}" for n in range(12))]}
    rows = [
        (f"u{n}", item, at) for n in range(8) for at, item in enumerate([f"x{n}", f"x{(n + 1) % 12}", "hit", "flop"])
    ]
    rows += [("v", f"x{n}", n) for n in range(4)]
    write_tables(tmp_path, rows, titles)
    section = {"options": 2, "negatives": "popularity"}
    prepare(recipe_of(tmp_path, candidates=section), tmp_path / "dataset")
    split = open_dataset(tmp_path / "dataset").split()
    cases = [case for case in [*split.train_cases, *split.validation, *split.test] if case.history.user_id == "v"]
    assert len(cases) == 3
    # User v owns neither; hit (validation of u0..u7) and flop (their test) were never bought in training.
    assert not {"hit", "flop"} & {item for case in cases for item in (case.candidates.items if case.candidates else ())}


def test_asymmetric_cleaning_gives_a_warning(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    report = prepare(recipe_of(tmp_path, data={"cleaning": "asymmetric"}), tmp_path / "dataset")
    assert any("ASYMMETRICALLY" in warning for warning in report["warnings"])
    assert json.loads((tmp_path / "dataset" / "dataset.json").read_text())["warnings"] == report["warnings"]


def test_a_dataset_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    out = tmp_path / "dataset"
    first = prepare(recipe_of(tmp_path), out)
    second = prepare(recipe_of(tmp_path, seed=2), out)
    assert first["fingerprint"] != second["fingerprint"]
    assert open_dataset(out).fingerprint == second["fingerprint"]
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"something else \(notes.txt\)"):
        prepare(recipe_of(tmp_path), out)
    assert (out / "notes.txt").read_text() == "mine"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="something else"):
        prepare(recipe_of(tmp_path), tmp_path / "file")
    (tmp_path / "empty").mkdir()
    prepare(recipe_of(tmp_path), tmp_path / "empty")


def test_a_failure_leaves_the_old_dataset(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    out = tmp_path / "sets" / "dataset"
    fingerprint_before = prepare(recipe_of(tmp_path), out)["fingerprint"]
    for bad in (
        recipe_of(tmp_path, data={"min_history": 99}),
        recipe_of(tmp_path, candidates={"options": 26}),
        recipe_of(tmp_path / "absent"),
    ):
        with pytest.raises(ShoptalkError):
            prepare(bad, out)
        assert open_dataset(out).fingerprint == fingerprint_before
        assert [path.name for path in out.parent.iterdir()] == ["dataset"]  # no half-written folder beside it


def test_filters_that_leave_nothing_say_so(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    with pytest.raises(DatasetError, match="nothing is left"):
        prepare(recipe_of(tmp_path, data={"min_history": 99}), tmp_path / "dataset")


def test_the_generated_shop_is_prepared(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample", users=200, items=100)
    report = prepare(read_recipe(tmp_path / "sample" / "recipe.toml"), tmp_path / "dataset")
    assert report["dropped"]["unverified"] > 0
    assert report["dropped"]["duplicate"] > 0
    assert report["kept"]["users"] > 150
    dataset = open_dataset(tmp_path / "dataset")
    assert not any("&amp;" in item.title or "  " in item.title for item in dataset.catalogue.values())
    assert len(dataset.split().test) == report["kept"]["users"]


def test_a_subset_of_users_is_drawn_by_seed(tmp_path: Path) -> None:
    write_small_dataset(tmp_path, users=30, each=6)
    reports = {
        name: prepare(recipe_of(tmp_path, data={"users": count, "seed": seed}), tmp_path / name)
        for name, count, seed in [("ten", 10, 1), ("again", 10, 1), ("five", 5, 1), ("other", 10, 2)]
    }
    assert [reports[name]["kept"]["users"] for name in ("ten", "five", "other")] == [10, 5, 10]
    assert reports["ten"]["dropped"]["not_drawn"] == 20 * 6
    assert reports["ten"]["kept"]["interactions"] == 10 * 6
    assert reports["ten"]["fingerprint"] == reports["again"]["fingerprint"]
    users = {name: {history.user_id for history in open_dataset(tmp_path / name).split().train} for name in reports}
    assert users["five"] < users["ten"] != users["other"]
    with pytest.raises(DatasetError, match="users is 10 in the dataset and 5 in the recipe"):
        check_fit(recipe_of(tmp_path, data={"users": 5, "seed": 1}), open_dataset(tmp_path / "ten"))


@pytest.mark.parametrize("ties", ["source", "random", "set"])
def test_cold_items_are_withheld_from_everything_but_the_test(tmp_path: Path, ties: str) -> None:
    write_small_dataset(tmp_path, users=40, each=6, items=60)  # 45 items are bought, each by up to six users
    section = {"cold": 0.3, "ties": ties}
    report = prepare(recipe_of(tmp_path, split=section), tmp_path / "cold")
    plain = prepare(recipe_of(tmp_path, split={"ties": ties}), tmp_path / "plain")
    assert list(report["dropped"])[-2:] == ["cold", "unbought"]
    assert "cold" not in plain["dropped"]
    assert report["kept"]["interactions"] == plain["kept"]["interactions"] - report["dropped"]["cold"]
    assert report["kept"]["items"] == plain["kept"]["items"] == 45  # the catalogue has the cold ones too
    cold = {
        f"i{n:02}" for n in range(60) if int(hashlib.md5(f"1\x1fi{n:02}".encode()).hexdigest()[:8], 16) < 0.3 * 2**32
    }
    split = open_dataset(tmp_path / "cold").split()
    known = {item for history in split.train for item in history.items}
    known |= {item for case in split.validation for item in case.targets}
    known |= {item for case in [*split.validation, *split.test] for item in case.history.items}
    assert not known & cold
    targets = {item for case in split.test for item in case.targets}
    assert targets & cold
    assert targets - cold
    assert report["cases"]["test"] == len(split.test) > 30
    assert report["fingerprint"] != plain["fingerprint"]


def test_the_seed_chooses_the_cold_items(tmp_path: Path) -> None:
    write_small_dataset(tmp_path, users=40, each=6, items=60)
    report, repeated, other_seed = (
        prepare(recipe_of(tmp_path, split={"cold": 0.3}, seed=seed), tmp_path / name)
        for name, seed in (("cold", 1), ("repeated", 1), ("other", 2))
    )
    assert repeated["fingerprint"] == report["fingerprint"]
    assert other_seed["dropped"]["cold"] != report["dropped"]["cold"]


def test_no_cold_items_leave_the_fingerprint_unchanged(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    report = prepare(recipe_of(tmp_path), tmp_path / "dataset")
    info = json.loads((tmp_path / "dataset" / "dataset.json").read_text())
    del info["recipe"]["split"]["cold"]  # a dataset that was made before there was such a share
    (tmp_path / "dataset" / "dataset.json").write_text(json.dumps(info))
    assert open_dataset(tmp_path / "dataset").fingerprint == report["fingerprint"]
    recipe = recipe_of(tmp_path)
    tables = {name: {"content": "x"} for name in TABLES}
    split = {"method": "leave-one-out", "fractions": [0.8, 0.1, 0.1], "history": 0, "ties": "source"}
    content = {
        "format": 1,
        "tables": dict.fromkeys(TABLES, "x"),
        "cleaning": "unescape",
        "split": split,
        "candidates": {"options": 4, "negatives": "uniform"},
    }
    expected = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    assert fingerprint(recipe, tables) == expected


@needs_data
def test_beauty_with_the_split_of_system_a(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPTALK_DATA", str(DATA))
    # Cleaning by words leaves eight items without a title; without it, the numbers of users are as published.
    recipe = read_recipe(RECIPES / "beauty-options.toml", ["data.cleaning=unescape"])
    report = prepare(recipe, tmp_path / "dataset")
    assert report["kept"] == {"users": 22_332, "items": 12_086, "interactions": 198_215}
    # 22,332 * .75 = 16,749 train; * .8 = 17,865.6 -> 17,865, so 1,116 validate and 4,467 are tested, as in system A.
    assert {part: report["cases"][part] for part in ("validation", "test")} == {"validation": 1116, "test": 4467}
    dataset = open_dataset(tmp_path / "dataset")
    split = dataset.split("last")
    assert len(split.train_cases) == 16_749
    assert all(len(case.history.items) == 4 for case in split.test)
    owned = {history.user_id: set(history.items) for history in dataset.histories()}
    for case in split.test:
        assert case.candidates is not None
        assert owned[case.history.user_id] & set(case.candidates.items) == set(case.targets)
        assert len({title.casefold() for title in case.candidates.titles}) == 4
    assert np.ptp(np.bincount([case.answer or 0 for case in split.test])) <= 1


@needs_data
def test_gift_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPTALK_DATA", str(DATA))
    report = prepare(read_recipe(RECIPES / "gift-cards.toml"), tmp_path / "dataset")
    assert report["read"] == {"reviews": 2972, "items": 1547, "bad_lines": 0}
    assert report["dropped"]["unverified"] == 134  # shared/data/README.md
    remaining = 2972 - sum(n for name, n in report["dropped"].items() if name != "unbought")
    assert report["kept"]["interactions"] == remaining


def test_items_without_purchases_are_dropped_or_kept(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)  # ten of twenty items are bought
    plain = prepare(recipe_of(tmp_path), tmp_path / "drop")
    full = prepare(recipe_of(tmp_path, data={"unbought": "keep"}), tmp_path / "keep")
    assert (plain["dropped"]["unbought"], plain["kept"]["items"]) == (20 - 10, 10)
    assert (full["dropped"]["unbought"], full["kept"]["items"]) == (0, 20)
    # Options are bought items in both datasets.
    assert (tmp_path / "keep" / TABLES[3]).read_bytes() == (tmp_path / "drop" / TABLES[3]).read_bytes()
    assert len(open_dataset(tmp_path / "keep").catalogue) == 20
    assert len(open_dataset(tmp_path / "keep").split().test) == 6


@pytest.mark.parametrize(
    ("each", "split", "message"),
    [
        (2, {}, r"no test case: leave-one-out needs users with 3 purchases .*; 0 of 6 users have that many"),
        (3, {}, r"no train case: leave-one-out needs users with 4 purchases .*; 0 of 6 users have that many"),
        (
            5,
            {"method": "by-user", "history": 5},
            r"no test case: by-user divides the users with 6 purchases .*; 0 of 6",
        ),
        (1, {"method": "by-time"}, r"no (train|test) case: by-time .*; 0 of 6 users"),
        (1, {"method": "by-time-per-user"}, r"no (train|test) case: by-time-per-user .*; 0 of 6 users"),
    ],
)
def test_too_little_data_is_refused_before_training(tmp_path: Path, each: int, split: dict, message: str) -> None:
    write_small_dataset(tmp_path, each=each)
    with pytest.raises(DatasetError, match=message):
        prepare(recipe_of(tmp_path, split=split, candidates={"options": 2}), tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()
