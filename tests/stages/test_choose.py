"""`shoptalk choose` on generated shops of different kinds, whose right answer is known."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from shoptalk.api.settings import make_recipe
from shoptalk.cli.main import main
from shoptalk.data.cases import TEST
from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import NEXT_ITEM_FILE, write_sample
from shoptalk.data.sample_purchases import Behaviour
from shoptalk.data.sealed import seal
from shoptalk.errors import DatasetError
from shoptalk.evaluation.expected_gap import LearningCurves, ShopPoint
from shoptalk.progress import silent
from shoptalk.results import ChoiceResult, as_json, from_json
from shoptalk.stages.choose import RANKERS, choose
from shoptalk.tasks import load_recipe

POPULAR = ("popularity", "recent_popularity")
SEQUENCES = ("item_knn", "transitions")
#: A model that is far better than simple methods at every size, and one that is far worse, in three shops.
SIZES = (50, 500, 5_000, 50_000)
SHOPS = {"a": 0.0, "b": 0.01, "c": 0.02}


def point(name: str, size: int) -> ShopPoint:
    good = SHOPS[name]
    accuracy = {"popularity": 0.4, "good": 0.5 + good, "bad": 0.3}
    return ShopPoint(name, 1, size, 1000, accuracy, {"popularity": 0.1, "good": 0.2 + good})


CURVES = LearningCurves(
    "nowhere", ("popularity",), ("good", "bad", "unknown"), tuple(point(name, size) for name in SHOPS for size in SIZES)
)


def shop(folder: Path, behaviour: Behaviour, users: int, items: int = 60, options: int | None = None) -> Dataset:
    """A generated shop, prepared for rankings, or for questions."""
    write_sample(folder / "shop", users=users, items=items, seed=1, behaviour=behaviour)
    content = load_recipe(folder / "shop" / NEXT_ITEM_FILE).model_dump(exclude_none=True)
    if options:
        content["candidates"] = {"options": options}
    prepare(make_recipe(content, {}), folder / "dataset")
    return open_dataset(folder / "dataset")


choose_quickly = partial(choose, progress=silent, resamples=200)


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return shop(tmp_path_factory.mktemp("sequences"), Behaviour(complement=0.8, popular=0.05), 240)


@pytest.fixture(scope="module")
def result(sequences: Dataset) -> ChoiceResult:
    return choose_quickly(sequences)


def test_sequences_need_a_method_of_sequences(sequences: Dataset, result: ChoiceResult) -> None:
    assert result.recommended in SEQUENCES
    assert result.says[0] == f"Use {result.recommended.replace('_knn', '-kNN')}."
    assert [curve.method for curve in result.curves] == list(RANKERS)
    assert sum(curve.probability for curve in result.curves) == pytest.approx(1)
    curve = next(curve for curve in result.curves if curve.method == result.recommended)
    assert [point.users for point in curve.points] == [29, 58, 116, 232]
    assert curve.points[-1].value.value > curve.points[0].value.value  # transitions need purchases
    assert result.tuned_on + result.measured_on == result.validation_users == 232
    popularity = result.curves[0]
    assert popularity.p_holm is not None
    assert popularity.p_holm < 0.05
    assert result.metric == "ndcg@10"


def test_popularity_is_preferred_or_the_answer_is_unsure_where_all_follow_it(tmp_path: Path) -> None:
    found = choose_quickly(shop(tmp_path, Behaviour(complement=0, popular=0.95), 240))
    assert found.recommended in POPULAR or found.kind in ("likely", "little")
    best = max(curve.value.value for curve in found.curves)
    recommended = next(curve for curve in found.curves if curve.method == found.recommended)
    assert best - recommended.value.value < 0.05


def test_little_is_said_about_a_tiny_shop(tmp_path: Path) -> None:
    found = choose_quickly(shop(tmp_path, Behaviour(), 30, items=20))
    assert found.kind == "little"
    assert found.says[0].startswith("Little can be said")
    assert not any("twice" in sentence for sentence in found.says)


def test_options_are_judged_by_accuracy(tmp_path: Path) -> None:
    dataset = shop(tmp_path, Behaviour(complement=0.8, popular=0.05), 160, options=4)
    found = choose_quickly(dataset, curves=CURVES)
    assert found.metric == "accuracy"
    assert {"tfidf", "cooccurrence"} <= {curve.method for curve in found.curves}
    good, bad, unknown = found.models
    simple = next(curve.value.value for curve in found.curves if curve.method == found.best)
    assert good.value is not None
    assert good.value.value == pytest.approx(min(1.0, simple + 0.11), abs=0.001)
    assert (found.recommended, found.kind, found.says[0]) == ("good", "model", "Train good.")
    assert good.shops == ("a", "b", "c")
    assert bad.probability is not None
    assert bad.probability < 0.01
    assert (unknown.value, unknown.reason) == (None, "in no shop with this task")


def test_models_are_judged_only_at_measured_sizes(sequences: Dataset, result: ChoiceResult) -> None:
    small = replace(CURVES, points=tuple(point for point in CURVES.points if point.purchases < 1_000))
    found = choose_quickly(sequences, curves=small)
    assert found.models[0].value is None
    assert found.models[0].reason == "only from 50 to 500 training purchases"
    assert found.kind != "model"
    assert any("not known" in sentence for sentence in found.says)
    assert as_json(found)["curves"][0]["points"][0]["value"] == as_json(result)["curves"][0]["points"][0]["value"]


def test_the_test_is_not_read(sequences: Dataset, result: ChoiceResult, tmp_path: Path) -> None:
    seal(sequences.folder, tmp_path / "sealed")
    sealed = open_dataset(tmp_path / "sealed")
    assert not (sealed.rows.part == TEST).any()

    def without_times(found: ChoiceResult) -> ChoiceResult:
        curves = tuple(
            replace(curve, points=tuple(replace(point, seconds=0) for point in curve.points)) for curve in found.curves
        )
        return replace(found, seconds={}, curves=curves)

    assert without_times(choose_quickly(sealed)) == without_times(result)


def test_a_dataset_without_validation_is_refused(tmp_path: Path) -> None:
    write_sample(tmp_path / "shop", users=40, items=20)
    content = load_recipe(tmp_path / "shop" / NEXT_ITEM_FILE).model_dump(exclude_none=True)
    content["split"] = {"method": "by-time-per-user", "fractions": [0.8, 0.0, 0.2], "ties": "random"}
    prepare(make_recipe(content, {}), tmp_path / "dataset")
    with pytest.raises(DatasetError, match="0 validation users"):
        choose_quickly(open_dataset(tmp_path / "dataset"))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = shop(tmp_path, Behaviour(), 40, items=20)
    with pytest.raises(SystemExit) as stop:
        main(["choose", str(dataset.folder), "--json", "--seed", "2"])
    assert stop.value.code == 0
    printed = json.loads(capsys.readouterr().out)
    assert from_json(ChoiceResult, printed).seed == 2
    with pytest.raises(SystemExit) as stop:
        main(["choose", str(dataset.folder)])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert "Little can be said" in shown
    assert "models not trained here" in shown
    assert "the test was not" in shown
    with pytest.raises(SystemExit) as stop:
        main(["choose", str(tmp_path / "nothing"), "--json"])
    assert stop.value.code == 2
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "dataset"
