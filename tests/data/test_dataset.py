"""Opening a dataset folder: cases of the split, and one clear error for any damage."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from shoptalk.data.dataset import Dataset, check_fit, open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.errors import DatasetError

from .small_dataset import recipe_of, write_small_dataset, write_tables


def prepare_and_open(folder: Path, **recipe: object) -> Dataset:
    prepare(recipe_of(folder, **recipe), folder / "dataset")  # type: ignore[arg-type]
    return open_dataset(folder / "dataset")


def test_leave_one_out_cases(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    dataset = prepare_and_open(tmp_path, split={"method": "leave-one-out"})
    split = dataset.split("every")
    test = split.test[1]  # user u1: i01 i02 i03 i04 i05
    assert test.history.user_id == "u1"
    assert test.history.items == ("i01", "i02", "i03", "i04")  # with the validation item, without the target
    assert test.targets == ("i05",)
    assert test.rating == 5.0
    assert not test.tied
    assert split.validation[1].history.items == ("i01", "i02", "i03")
    assert split.validation[1].targets == ("i04",)
    assert split.train[1].items == ("i01", "i02", "i03")
    assert (len(split.test), len(split.validation), len(split.train)) == (6, 6, 6)
    # Of u1's training items i01 i02 i03, the second and third are targets.
    training_cases = [case for case in split.train_cases if case.history.user_id == "u1"]
    assert [(case.history.items, case.targets) for case in training_cases] == [
        (("i01",), ("i02",)),
        (("i01", "i02"), ("i03",)),
    ]
    last = [case for case in dataset.split("last").train_cases if case.history.user_id == "u1"]
    assert [case.targets for case in last] == [("i03",)]


def test_by_user_cases_have_a_fixed_history(tmp_path: Path) -> None:
    write_small_dataset(tmp_path, users=10)
    dataset = prepare_and_open(tmp_path, split={"method": "by-user", "fractions": [0.6, 0.2, 0.2], "history": 2})
    split = dataset.split("last")
    assert (len(split.train), len(split.validation), len(split.test)) == (6, 2, 2)
    for case in [*split.train_cases, *split.validation, *split.test]:
        assert len(case.history.items) == 2
        assert case.rating == 3.0  # the third purchase
    assert len(split.train_cases) == 6
    assert all(len(history.items) == 5 for history in split.train)
    assert len(dataset.split("every").train_cases) == 6 * 4
    # The whole history of a user, with unused rows, is available for recommending.
    assert dataset.history("u0").items == ("i00", "i01", "i02", "i03", "i04")
    assert [len(history.items) for history in dataset.histories()] == [5] * 10


def test_options_belong_to_their_case(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    dataset = prepare_and_open(tmp_path, data={"cleaning": "unescape"})
    split = dataset.split()
    for case in [*split.train_cases, *split.validation, *split.test]:
        assert case.candidates is not None
        assert case.answer is not None
        assert case.candidates.items[case.answer] == case.targets[0]
        assert case.candidates.titles == tuple(dataset.catalogue[item].title for item in case.candidates.items)
        owned = dataset.history(case.history.user_id).items
        assert [item for item in case.candidates.items if item in owned] == [case.targets[0]]


def test_ties_are_marked_and_may_be_a_set(tmp_path: Path) -> None:
    titles = {f"i{n}": f"title {chr(97 + n)}" for n in range(9)}
    rows = [("a", "i0", 1), ("a", "i1", 2), ("a", "i2", 3), ("a", "i3", 3)]
    rows += [("b", "i0", 1), ("b", "i1", 2), ("b", "i2", 3), *[("c", f"i{n}", n) for n in range(4, 9)]]
    write_tables(tmp_path, rows, titles)
    cases = {case.history.user_id: case for case in prepare_and_open(tmp_path).split().test}
    assert (cases["a"].tied, cases["b"].tied) == (True, False)
    cases = {case.history.user_id: case for case in prepare_and_open(tmp_path, split={"ties": "set"}).split().test}
    assert cases["a"].targets == ("i2", "i3")
    assert cases["a"].history.items == ("i0", "i1")
    assert not cases["a"].tied  # all purchases of the moment are targets, so their order does not matter
    assert cases["a"].candidates is not None
    assert cases["a"].candidates.items[cases["a"].answer or 0] == "i2"


def test_asymmetric_titles_show_raw_distractors(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    dataset = prepare_and_open(tmp_path, data={"cleaning": "asymmetric"})
    case = dataset.split().test[0]
    assert case.candidates is not None
    for index, (item, title) in enumerate(zip(case.candidates.items, case.candidates.titles, strict=True)):
        entry = dataset.catalogue[item]
        assert title == (entry.title if index == case.answer else entry.raw_title)
        assert ("&amp;" in title) == (index != case.answer)


def test_without_candidates_there_are_no_options(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    dataset = prepare_and_open(tmp_path, candidates=None)
    assert not (dataset.folder / "candidates.parquet").exists()
    assert dataset.split().test[0].candidates is None
    assert dataset.split().test[0].answer is None


def test_histories_have_reviews_where_the_prompt_needs_them(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    table = pq.read_table(tmp_path / "interactions.parquet")
    reviews = [f"review {row}" for row in range(table.num_rows)]
    pq.write_table(table.append_column("review", [reviews]), tmp_path / "interactions.parquet")
    assert prepare_and_open(tmp_path).history("u0").reviews == ()
    with_reviews = prepare_and_open(tmp_path, prompt={"fields": ["title", "review"]})
    assert with_reviews.history("u1").reviews == ("review 5", "review 6", "review 7", "review 8", "review 9")
    assert with_reviews.split().test[1].history.reviews == ("review 5", "review 6", "review 7", "review 8")


def test_sequences_slice_and_index(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    cases = prepare_and_open(tmp_path).split().test
    assert cases[-1] == cases[5] == list(cases)[5]
    assert list(cases[1:3]) == [cases[1], cases[2]]
    with pytest.raises(IndexError):
        cases[6]


def test_the_error_for_an_unknown_user_names_the_nearest(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    with pytest.raises(DatasetError, match=r"no user 'u44'.*u4"):
        prepare_and_open(tmp_path).history("u44")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    write_small_dataset(folder)
    return prepare_and_open(folder).folder


def edited(change: Callable[[dict], object]) -> Callable[[Path], None]:  # type: ignore[type-arg]
    """Damage that changes the content of ``dataset.json``."""

    def edit(folder: Path) -> None:
        info = json.loads((folder / "dataset.json").read_text())
        change(info)
        (folder / "dataset.json").write_text(json.dumps(info))

    return edit


def cut(name: str) -> Callable[[Path], None]:
    """Damage that removes the second half of a file."""

    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return damage


def flip(name: str) -> Callable[[Path], None]:
    """Damage that inverts one byte of a file."""

    def damage(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 255
        (folder / name).write_bytes(content)

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "items.parquet").unlink(), "lacks this table"),
        (lambda folder: (folder / "dataset.json").unlink(), "not a dataset"),
        (lambda folder: (folder / "dataset.json").write_text("{"), "not readable as JSON"),
        (lambda folder: (folder / "dataset.json").write_bytes(b"\xff\xfe"), "not readable as JSON"),
        (lambda folder: (folder / "dataset.json").write_text("[]"), "not a JSON object"),
        (cut("interactions.parquet"), "damaged or was changed"),
        (flip("splits.parquet"), "damaged or was changed"),
        (flip("candidates.parquet"), "damaged or was changed"),
        (edited(lambda info: info.update(fingerprint="0" * 64)), "fingerprint"),
        (edited(lambda info: info["recipe"]["split"].update(history=3)), "fingerprint"),
        (edited(lambda info: info["recipe"]["split"].update(history="x")), "history"),
        (edited(lambda info: info["recipe"].update(nonsense=1)), "unknown key nonsense"),
        (edited(lambda info: info["tables"].pop("splits.parquet")), "list of tables"),
        (edited(lambda info: info["tables"].update({"items.parquet": 3})), "damaged"),
        (edited(lambda info: info["tables"]["items.parquet"].pop("content")), "damaged"),
        (edited(lambda info: info.update(format=99)), "format 99"),
        (edited(lambda info: info.pop("fingerprint")), "damaged"),
    ],
)
def test_damage_is_one_clear_error(tmp_path: Path, whole: Path, damage: Callable[[Path], None], message: str) -> None:
    folder = tmp_path / "dataset"
    shutil.copytree(whole, folder)
    assert open_dataset(folder).split().test
    damage(folder)
    with pytest.raises(DatasetError, match=message) as caught:
        open_dataset(folder)
    assert str(folder) in str(caught.value.where)


def test_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        open_dataset(tmp_path / "absent")
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="is not a folder"):
        open_dataset(tmp_path / "file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"source": "movielens"}}, 'data.source is "table" in the dataset and "movielens" in the recipe'),
        ({"data": {"min_rating": 4.0}}, "data.min_rating is not set in the dataset and 4.0 in the recipe"),
        ({"data": {"user_core": 2}}, "data.user_core is 0 in the dataset and 2 in the recipe"),
        ({"seed": 2}, "seed is 1 in the dataset and 2 in the recipe"),
        (
            {"split": {"method": "by-time"}},
            'split.method is "leave-one-out" in the dataset and "by-time" in the recipe',
        ),
        ({"candidates": {"options": 3}}, "candidates.options is 4 in the dataset and 3 in the recipe"),
        ({"prompt": {"fields": ["title", "brand"]}}, "the recipe reads brand, which the dataset was made without"),
    ],
)
def test_a_dataset_with_other_settings_is_refused(tmp_path: Path, change: dict, message: str) -> None:
    write_small_dataset(tmp_path)
    prepare(recipe_of(tmp_path), tmp_path / "dataset")
    dataset = open_dataset(tmp_path / "dataset")
    check_fit(recipe_of(tmp_path / "elsewhere"), dataset)  # paths may differ
    check_fit(recipe_of(tmp_path, seed=2, data={"seed": 1}), dataset)  # another seed of training on the same data
    with pytest.raises(DatasetError) as caught:
        check_fit(recipe_of(tmp_path, **change), dataset)
    assert message in str(caught.value)


def test_an_unused_seed_may_differ(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    prepare(recipe_of(tmp_path, candidates=None), tmp_path / "dataset")
    check_fit(recipe_of(tmp_path, candidates=None, seed=2), open_dataset(tmp_path / "dataset"))
