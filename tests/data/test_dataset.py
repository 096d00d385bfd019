"""The dataset folder, opened: cases as the split says, and one clear error for whatever is damaged."""

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


def opened(folder: Path, **recipe: object) -> Dataset:
    prepare(recipe_of(folder, **recipe), folder / "dataset")  # type: ignore[arg-type]
    return open_dataset(folder / "dataset")


def test_leave_one_out_cases(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    dataset = opened(tmp_path, split={"method": "leave-one-out"})
    split = dataset.split("every")
    test = split.test[1]  # user u1: i01 i02 i03 i04 i05
    assert test.history.user_id == "u1"
    assert test.history.items == ("i01", "i02", "i03", "i04")  # with the validation item, without the truth
    assert test.targets == ("i05",)
    assert test.rating == 5.0
    assert not test.tied
    assert split.validation[1].history.items == ("i01", "i02", "i03")
    assert split.validation[1].targets == ("i04",)
    assert split.train[1].items == ("i01", "i02", "i03")
    assert (len(split.test), len(split.validation), len(split.train)) == (6, 6, 6)
    # Of u1's training items i01 i02 i03, the second and third are asked for.
    own = [case for case in split.train_cases if case.history.user_id == "u1"]
    assert [(case.history.items, case.targets) for case in own] == [(("i01",), ("i02",)), (("i01", "i02"), ("i03",))]
    last = [case for case in dataset.split("last").train_cases if case.history.user_id == "u1"]
    assert [case.targets for case in last] == [("i03",)]


def test_by_user_cases_follow_the_exam(tmp_path: Path) -> None:
    write_small_dataset(tmp_path, users=10)
    dataset = opened(tmp_path, split={"method": "by-user", "fractions": [0.6, 0.2, 0.2], "history": 2})
    split = dataset.split("last")
    assert (len(split.train), len(split.validation), len(split.test)) == (6, 2, 2)
    for case in [*split.train_cases, *split.validation, *split.test]:
        assert len(case.history.items) == 2
        assert case.rating == 3.0  # the third purchase
    assert len(split.train_cases) == 6
    assert all(len(history.items) == 5 for history in split.train)
    assert len(dataset.split("every").train_cases) == 6 * 4
    # A known user's whole history is there for recommending, unused rows and all.
    assert dataset.history("u0").items == ("i00", "i01", "i02", "i03", "i04")
    assert [len(history.items) for history in dataset.histories()] == [5] * 10


def test_options_belong_to_their_case(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    dataset = opened(tmp_path, data={"cleaning": "unescape"})
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
    cases = {case.history.user_id: case for case in opened(tmp_path).split().test}
    assert (cases["a"].tied, cases["b"].tied) == (True, False)
    cases = {case.history.user_id: case for case in opened(tmp_path, split={"ties": "set"}).split().test}
    assert cases["a"].targets == ("i2", "i3")
    assert cases["a"].history.items == ("i0", "i1")
    assert not cases["a"].tied  # the whole moment is the truth: no order decides
    assert cases["a"].candidates is not None
    assert cases["a"].candidates.items[cases["a"].answer or 0] == "i2"


def test_uneven_titles_show_the_distractors_raw(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    dataset = opened(tmp_path, data={"cleaning": "asymmetric"})
    case = dataset.split().test[0]
    assert case.candidates is not None
    for at, (item, title) in enumerate(zip(case.candidates.items, case.candidates.titles, strict=True)):
        entry = dataset.catalogue[item]
        assert title == (entry.title if at == case.answer else entry.raw_title)
        assert ("&amp;" in title) == (at != case.answer)


def test_without_candidates_there_are_no_options(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    dataset = opened(tmp_path, candidates=None)
    assert not (dataset.folder / "candidates.parquet").exists()
    assert dataset.split().test[0].candidates is None
    assert dataset.split().test[0].answer is None


def test_reviews_run_beside_the_items_when_a_prompt_tells_them(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    table = pq.read_table(tmp_path / "interactions.parquet")
    stated = [f"review {row}" for row in range(table.num_rows)]
    pq.write_table(table.append_column("review", [stated]), tmp_path / "interactions.parquet")
    assert opened(tmp_path).history("u0").reviews == ()
    with_reviews = opened(tmp_path, prompt={"fields": ["title", "review"]})
    assert with_reviews.history("u1").reviews == ("review 5", "review 6", "review 7", "review 8", "review 9")
    assert with_reviews.split().test[1].history.reviews == ("review 5", "review 6", "review 7", "review 8")


def test_sequences_slice_and_index(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    cases = opened(tmp_path).split().test
    assert cases[-1] == cases[5] == list(cases)[5]
    assert list(cases[1:3]) == [cases[1], cases[2]]
    with pytest.raises(IndexError):
        cases[6]


def test_an_unknown_user_is_told_the_nearest(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    with pytest.raises(DatasetError, match=r"no user 'u44'.*u4"):
        opened(tmp_path).history("u44")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    write_small_dataset(folder)
    return opened(folder).folder


def edited(change: Callable[[dict], object]) -> Callable[[Path], None]:  # type: ignore[type-arg]
    def edit(folder: Path) -> None:
        info = json.loads((folder / "dataset.json").read_text())
        change(info)
        (folder / "dataset.json").write_text(json.dumps(info))

    return edit


def cut(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return damage


def flip(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 255
        (folder / name).write_bytes(content)

    return damage


@pytest.mark.parametrize(
    ("damage", "says"),
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
def test_damage_is_one_clear_error(tmp_path: Path, whole: Path, damage: Callable[[Path], None], says: str) -> None:
    folder = tmp_path / "dataset"
    shutil.copytree(whole, folder)
    assert open_dataset(folder).split().test
    damage(folder)
    with pytest.raises(DatasetError, match=says) as caught:
        open_dataset(folder)
    assert str(folder) in str(caught.value.where)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        open_dataset(tmp_path / "absent")
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="is not a folder"):
        open_dataset(tmp_path / "file")


@pytest.mark.parametrize(
    ("change", "says"),
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
        ({"prompt": {"fields": ["title", "brand"]}}, "prompt.fields names brand, which the dataset was made without"),
    ],
)
def test_a_dataset_of_other_settings_is_refused(tmp_path: Path, change: dict, says: str) -> None:
    write_small_dataset(tmp_path)
    prepare(recipe_of(tmp_path), tmp_path / "dataset")
    dataset = open_dataset(tmp_path / "dataset")
    check_fit(recipe_of(tmp_path / "elsewhere"), dataset)  # paths may differ
    check_fit(recipe_of(tmp_path, seed=2, data={"seed": 1}), dataset)  # another seed of training on the same data
    with pytest.raises(DatasetError) as caught:
        check_fit(recipe_of(tmp_path, **change), dataset)
    assert says in str(caught.value)


def test_a_seed_that_decides_nothing_may_differ(tmp_path: Path) -> None:
    write_small_dataset(tmp_path)
    prepare(recipe_of(tmp_path, candidates=None), tmp_path / "dataset")
    check_fit(recipe_of(tmp_path, candidates=None, seed=2), open_dataset(tmp_path / "dataset"))
